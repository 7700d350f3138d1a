import { limits, TerminalInput, type Guest, type GuestProcess } from "@skerry/protocol";
import type { WebSocket } from "ws";

import type { Clock } from "../clock.ts";
import { Scrollback } from "./scrollback.ts";

/** Codes by which a terminal's socket is closed. */
const closing = { over: 1_000, malformed: 1_003, taken: 4_001, slow: 4_002 } as const;

/** What a {@link Terminal} works with. */
export interface TerminalOptions {
  readonly id: string;
  readonly guest: Guest;
  readonly process: GuestProcess;
  readonly clock: Clock;
}

/**
 * A shell with a terminal, which outlives the sockets that show it: who comes back sees what was shown
 * last. It has one viewer at a time, the latest, and ends when it had none for a while.
 */
export class Terminal {
  readonly id: string;
  /** Settles when the shell has ended. Never rejects. */
  readonly ended: Promise<void>;
  readonly #options: TerminalOptions;
  readonly #scrollback = new Scrollback(limits.terminalScrollbackBytesMax);
  #viewer: WebSocket | null = null;
  #timer: Disposable | null = null;

  constructor(options: TerminalOptions) {
    this.id = options.id;
    this.#options = options;
    this.ended = this.#run();
    this.#waitForViewer();
  }

  /** Shows it over a socket, in the place of the one before. */
  show(socket: WebSocket): void {
    this.#timer?.[Symbol.dispose]();
    this.#viewer?.close(closing.taken, "The terminal is shown elsewhere.");
    this.#viewer = socket;
    socket.send(JSON.stringify({ session: this.id }));
    const shown = this.#scrollback.whole();
    if (shown.length > 0) socket.send(shown);
    socket.on("error", () => {}); // `close` follows
    socket.on("message", (data, isBinary) => void this.#receive(socket, toBytes(data), isBinary));
    socket.once("close", () => {
      if (this.#viewer !== socket) return;
      this.#viewer = null;
      this.#waitForViewer();
    });
  }

  async #run(): Promise<void> {
    const { process } = this.#options;
    try {
      for await (const chunk of process.stdout ?? []) {
        this.#scrollback.add(chunk);
        if (this.#viewer !== null) await this.#send(this.#viewer, chunk);
      }
      const { code, signal } = await process.exit;
      this.#viewer?.send(JSON.stringify({ exit: { code, signal } }));
    } catch {
      // The sandbox has ended.
    }
    this.#timer?.[Symbol.dispose]();
    this.#viewer?.close(closing.over, "The shell has ended.");
  }

  /** Resolves when the viewer has taken it; one that takes nothing for too long is cut off. */
  async #send(viewer: WebSocket, chunk: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#options.clock.setTimer(limits.terminalStallMs, () => {
      viewer.close(closing.slow, "The terminal is not read.");
      viewer.terminate();
      resolve();
    });
    viewer.send(chunk, () => resolve());
    await promise;
  }

  /** Never rejects. */
  async #receive(viewer: WebSocket, bytes: Buffer, isBinary: boolean): Promise<void> {
    if (viewer !== this.#viewer) return;
    const { process, guest } = this.#options;
    viewer.pause(); // until it is taken
    try {
      if (isBinary) await process.stdin?.write(bytes);
      else {
        const { rows, cols } = TerminalInput.parse(JSON.parse(bytes.toString("utf8"))).resize;
        await guest.call("resize", { pid: process.pid, rows, cols });
      }
    } catch {
      if (!isBinary)
        viewer.close(closing.malformed, 'Send bytes, or {"resize":{"rows":…,"cols":…}}.');
      // What is typed when the shell has ended goes nowhere.
    } finally {
      viewer.resume();
    }
  }

  #waitForViewer(): void {
    const { clock, guest, process } = this.#options;
    this.#timer?.[Symbol.dispose]();
    this.#timer = clock.setTimer(limits.terminalKeptMs, () => {
      guest.call("kill", { pid: process.pid, signal: "SIGHUP" }).catch(() => {}); // it has ended
    });
  }
}

function toBytes(data: Buffer | ArrayBuffer | readonly Buffer[]): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return data instanceof ArrayBuffer ? Buffer.from(data) : Buffer.concat(data);
}
