import { createWriteStream } from "node:fs";
import { chmod } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";

/**
 * Receives the state of a machine that is captured. QEMU can write it only to a descriptor that is
 * sent over its monitor, which Node cannot do, or to a socket, which is this.
 */
export class StateReceiver implements AsyncDisposable {
  readonly #server: Server;
  readonly #received = Promise.withResolvers<void>();

  private constructor(server: Server, file: string) {
    this.#server = server;
    this.#received.promise.catch(() => undefined); // whoever waits in received() has it
    server.maxConnections = 1;
    server.once("connection", (socket: Socket) => {
      pipeline(socket, createWriteStream(file, { mode: 0o600 })).then(
        this.#received.resolve,
        this.#received.reject,
      );
    });
    server.on("error", this.#received.reject);
  }

  /** Listens on `path`, where the machine's user may connect. */
  static async listen(path: string, file: string): Promise<StateReceiver> {
    const server = createServer({ pauseOnConnect: false });
    const receiver = new StateReceiver(server, file);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    await chmod(path, 0o666); // the directory above it is closed to everybody else
    return receiver;
  }

  /** Resolves when the whole state is in the file. */
  async received(): Promise<void> {
    await this.#received.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#received.reject(new Error("the capture was given up"));
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
