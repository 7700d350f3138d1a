import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

import { limits } from "@skerry/protocol";
import type { Logger } from "pino";

import type { Admission } from "./admission.ts";

/**
 * Where clients come. The SSH library tells of a client when that has said hello, and of one that never
 * does it tells nothing; so connections are taken, counted and timed here, and handed to it.
 */
export class Door {
  readonly #admission: Admission;
  readonly #handOver: (socket: Socket) => void;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What those hold that have not logged in, by where they come from. */
  readonly #waiting = new Map<string, Disposable>();

  /** @param handOver Has the library speak with a client. */
  constructor(admission: Admission, handOver: (socket: Socket) => void, log: Logger) {
    this.#admission = admission;
    this.#handOver = handOver;
    this.#server = createServer((socket) => this.#take(socket));
    this.#server.on("error", (error) => log.error({ err: error }, "ssh gateway failed"));
  }

  /** Port 0 takes a free one. @returns the port. */
  async listen(host: string, port: number): Promise<number> {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port; // of a TCP server that listens
  }

  /** What the client from there holds until it has logged in. */
  placeOf({ ip, port }: { readonly ip: string; readonly port: number }): Disposable {
    return this.#waiting.get(`${ip} ${port}`) ?? { [Symbol.dispose]: () => {} }; // it has gone
  }

  /** Takes no more, and cuts off who is still there after a while. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const place of this.#waiting.values()) place[Symbol.dispose]();
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, limits.clientCloseMs);
    for (const socket of this.#sockets) socket.end();
    await closed;
    clearTimeout(cut);
  }

  #take(socket: Socket): void {
    const { remoteAddress = "", remotePort } = socket;
    const isRoom = this.#sockets.size < limits.sshConnectionsMax;
    const place = isRoom ? this.#admission.knock(remoteAddress) : null;
    if (place === null) {
      socket.destroy();
      return;
    }
    const key = `${remoteAddress} ${remotePort}`;
    const late = setTimeout(() => socket.destroy(), limits.sshLoginMs);
    const held = {
      [Symbol.dispose]: () => {
        clearTimeout(late);
        place[Symbol.dispose]();
        this.#waiting.delete(key);
      },
    };
    this.#waiting.set(key, held);
    this.#sockets.add(socket);
    socket.once("close", () => {
      held[Symbol.dispose]();
      this.#sockets.delete(socket);
    });
    this.#handOver(socket);
  }
}
