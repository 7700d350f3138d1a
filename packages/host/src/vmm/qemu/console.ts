import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A dying kernel prints some 4 KB: registers, the stack, and between them why. */
const keptBytes = 16_384;
const wordsMax = 200;
/** How long it is left alone after each read, so that a guest that floods it costs this process next to nothing. */
const restMs = 100;

/** Where kernels and the guest's first process say why they give up. */
const verdict = /Kernel panic - not syncing: .*|skerry-guest: .*/g;

/**
 * The console of a machine: nobody reads it but who wonders why the machine ended. What is on it is the guest's, so the
 * last of it is kept and no more. It is closed by QEMU's end, and by nobody before that.
 */
export class Console {
  readonly #socket: Socket;
  readonly #closed: Promise<unknown>;
  #kept = Buffer.alloc(0);
  #rest: NodeJS.Timeout | undefined;
  #isOver = false;

  /** @param path a socket that listens; a machine of an earlier version has none, and nothing to say. */
  constructor(path: string) {
    this.#socket = connect({ path });
    this.#closed = once(this.#socket, "close").catch(() => undefined);
    this.#socket.on("error", () => {}); // then it closes
    this.#socket.on("data", (bytes: Buffer) => this.#keep(bytes));
  }

  /** What was said last, or nothing. To be asked when QEMU has ended, which closes its end. */
  async lastWords(): Promise<string> {
    this.#isOver = true;
    this.#resume();
    await this.#closed;
    return lastWordsOf(this.#kept.toString("latin1"));
  }

  /** The same, after how QEMU ended. */
  async describeEnd(how: string): Promise<string> {
    const words = await this.lastWords();
    return words === "" ? how : `${how}; its console said last: ${words}`;
  }

  #keep(bytes: Buffer): void {
    this.#kept = Buffer.concat([this.#kept, bytes]).subarray(-keptBytes);
    if (this.#isOver) return;
    this.#socket.pause();
    this.#rest = setTimeout(() => this.#resume(), restMs);
  }

  #resume(): void {
    clearTimeout(this.#rest);
    this.#socket.resume();
  }
}

/** The line with a reason, else the last one; without what could steer a terminal, and not long. */
export function lastWordsOf(text: string): string {
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.replaceAll(/[^\x20-\x7e]/g, "").trim())
    .filter((line) => line !== "");
  const reason = lines.flatMap((line) => line.match(verdict) ?? []).at(-1);
  return (reason ?? lines.at(-1) ?? "").slice(0, wordsMax);
}
