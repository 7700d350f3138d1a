import { encodeRun, ReplReader, type GuestSocket, type ReplAnswer } from "@skerry/protocol";

/** The REPL has gone, or speaks no sense. */
export class ReplEnded extends Error {
  override readonly name = "ReplEnded";
}

/** Speaks with one `deno repl --json`: questions are answered in their order. */
export class ReplLink {
  readonly #socket: GuestSocket;
  readonly #waiting: PromiseWithResolvers<ReplAnswer>[] = [];
  #end: ReplEnded | null = null;

  constructor(socket: GuestSocket) {
    this.#socket = socket;
    void this.#read();
  }

  /** Runs code. @throws {ReplEnded} */
  async run(code: string, options: { readonly output: boolean }): Promise<ReplAnswer> {
    if (this.#end !== null) throw this.#end;
    const waiting = Promise.withResolvers<ReplAnswer>();
    this.#waiting.push(waiting);
    const sent = this.#socket.input.write(encodeRun(code, options.output));
    sent.catch((error: unknown) => this.#fail("the REPL has gone", error));
    return await waiting.promise;
  }

  /** Says that no more will be asked, upon which the REPL ends itself. */
  close(): void {
    this.#fail("the REPL is closed");
    this.#socket.input.end();
  }

  /** Never rejects. */
  async #read(): Promise<void> {
    const reader = new ReplReader();
    try {
      for await (const chunk of this.#socket.output) {
        for (const answer of reader.push(chunk)) this.#waiting.shift()?.resolve(answer);
      }
      this.#fail("the REPL has ended");
    } catch (error) {
      this.#fail("the REPL has gone", error);
      this.#socket.close();
    }
  }

  #fail(message: string, cause?: unknown): void {
    this.#end ??= new ReplEnded(message, { cause });
    for (const { reject, promise } of this.#waiting.splice(0)) {
      promise.catch(() => {}); // whoever asked may have gone
      reject(this.#end);
    }
  }
}
