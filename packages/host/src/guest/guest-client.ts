import {
  type AcceptedSocket,
  type ByteStream,
  type DialTarget,
  DirectoryEntry,
  type Exit,
  FrameError,
  GuestError,
  type Guest,
  type GuestCall,
  type GuestListener,
  type GuestParams,
  type GuestProcess,
  type GuestResult,
  guestResults,
  type GuestSocket,
  limits,
  type ListenTarget,
  SandboxError,
  type SpawnParams,
  type WriteFileParams,
} from "@skerry/protocol";

import type { Channel } from "./channel.ts";
import type { GuestLink } from "./guest-link.ts";

/** Calls that have no deadline, because what they wait for has none. */
const endless: ReadonlySet<GuestCall> = new Set<GuestCall>(["wait", "file.lock"]);

/** The programs and files of one machine, over its link. */
export class GuestClient implements Guest {
  readonly #link: GuestLink;

  constructor(link: GuestLink) {
    this.#link = link;
  }

  async call<M extends GuestCall>(
    method: M,
    params: GuestParams[M],
    signal?: AbortSignal,
  ): Promise<GuestResult<M>> {
    signal?.throwIfAborted();
    const channel = this.#open(method, params);
    using _guard = cancelOn(
      channel,
      endless.has(method) ? signal : withDeadline(limits.guestFileMs, signal),
    );
    const result = guestResults[method].safeParse(await this.#answer(channel));
    if (!result.success) throw this.#violation(`the answer to ${method} has the wrong shape`);
    return result.data as GuestResult<M>; // the schema of this very method has checked it
  }

  async spawn(params: SpawnParams): Promise<GuestProcess> {
    const channel = this.#open("spawn", params);
    const started = guestResults.spawn.safeParse(await this.#answer(channel));
    if (!started.success) throw this.#violation("the answer to spawn has the wrong shape");
    if (params.stdin === "null") channel.end();
    return {
      pid: started.data.pid,
      stdin: params.stdin === "piped" ? channel : null,
      stdout: params.stdout === "piped" || params.pty !== undefined ? channel.output(1) : null,
      stderr: params.stderr === "piped" && params.pty === undefined ? channel.output(2) : null,
      exit: this.#exitOf(channel),
      detach: () => channel.cancel(),
    };
  }

  async attach(pid: number): Promise<GuestProcess> {
    const channel = this.#open("attach", { pid });
    await this.#answer(channel);
    channel.end();
    return {
      ...{ pid, stdin: null, stdout: channel.output(1), stderr: channel.output(2) },
      exit: this.#exitOf(channel),
      detach: () => channel.cancel(),
    };
  }

  readFile(path: string, signal?: AbortSignal): Promise<ByteStream> {
    return this.#read("fs.read", { path }, signal);
  }

  writeFile(
    params: WriteFileParams,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number> {
    return this.#write("fs.write", params, content, signal);
  }

  async readHandle(handle: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of await this.#read("file.read", { handle, length }, signal)) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > length) throw this.#violation("more bytes of a file than were asked for");
    }
    return Buffer.concat(chunks, bytes);
  }

  writeHandle(
    handle: number,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number> {
    return this.#write("file.write", { handle }, content, signal);
  }

  async readDirectory(
    path: string,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<DirectoryEntry[]>> {
    signal?.throwIfAborted();
    const channel = this.#open("fs.readDir", { path });
    const guard = cancelOn(channel, signal);
    void channel.closed.then(() => guard[Symbol.dispose]());
    await this.#answer(channel);
    return this.#entries(channel.output());
  }

  async dial(target: DialTarget, signal?: AbortSignal): Promise<GuestSocket> {
    signal?.throwIfAborted();
    const isPatient = "patient" in target && target.patient === true;
    const channel = this.#open("dial", target);
    using _guard = cancelOn(channel, isPatient ? signal : withDeadline(limits.guestCallMs, signal));
    await this.#answer(channel);
    return socketOf(channel);
  }

  async listen(target: ListenTarget, signal?: AbortSignal): Promise<GuestListener> {
    signal?.throwIfAborted();
    const channel = this.#open("listen", target);
    using _guard = cancelOn(channel, withDeadline(limits.guestCallMs, signal));
    const opened = guestResults.listen.safeParse(await this.#answer(channel));
    if (!opened.success) throw this.#violation("the answer to listen has the wrong shape");
    return {
      port: opened.data.port,
      accept: (accepting) => this.#accept(channel.id, accepting),
      close: () => channel.cancel(),
    };
  }

  async #accept(listener: number, signal?: AbortSignal): Promise<AcceptedSocket> {
    signal?.throwIfAborted();
    const channel = this.#open("accept", { listener });
    using _guard = cancelOn(channel, signal);
    const accepted = guestResults.accept.safeParse(await this.#answer(channel));
    if (!accepted.success) throw this.#violation("the answer to accept has the wrong shape");
    return { ...socketOf(channel), ...accepted.data };
  }

  #open(method: string, params: object): Channel {
    return this.#link.request(method, params);
  }

  #exitOf(channel: Channel): Promise<Exit> {
    const exit = channel.lastEvent.then((event) => {
      if (!("exit" in event)) throw this.#violation("a process that ended without an exit");
      return event.exit;
    }, this.#explain);
    exit.catch(() => undefined); // not everybody waits for a process
    return exit;
  }

  async #read(method: string, params: object, signal?: AbortSignal): Promise<ByteStream> {
    signal?.throwIfAborted();
    const channel = this.#open(method, params);
    const guard = cancelOn(channel, signal);
    void channel.closed.then(() => guard[Symbol.dispose]());
    await this.#answer(channel);
    return channel.output();
  }

  async #write(
    method: string,
    params: object,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number> {
    signal?.throwIfAborted();
    const channel = this.#open(method, params);
    using _guard = cancelOn(channel, signal);
    // The content follows the request at once: a small file costs one round trip.
    const sent = this.#send(channel, content);
    sent.catch(() => undefined); // a source that fails before the guest answers is awaited below
    try {
      await this.#answer(channel);
      const event = await Promise.race([
        channel.lastEvent,
        sent.then(() => channel.lastEvent), // a source that fails is the error of the call
      ]);
      if (!("done" in event)) throw this.#violation("a file write that ended in another event");
      return event.done.bytes;
    } catch (error) {
      channel.cancel();
      return await this.#explain(error);
    }
  }

  async #answer(channel: Channel): Promise<unknown> {
    try {
      return await channel.response;
    } catch (error) {
      return await this.#explain(error);
    }
  }

  /** A refusal of the guest stays what it is; a link that ended means that the machine is gone. */
  readonly #explain = async (error: unknown): Promise<never> => {
    if (error instanceof GuestError || error instanceof SandboxError) throw error;
    if (error instanceof RangeError)
      throw new GuestError({ errno: "E2BIG", message: error.message });
    if (error instanceof DOMException || isAbort(error)) throw error;
    throw new SandboxError("SANDBOX_GONE", undefined, { cause: error });
  };

  async #send(
    channel: Channel,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    for await (const bytes of content) await channel.write(bytes);
    channel.end();
  }

  async *#entries(lines: ByteStream): AsyncGenerator<DirectoryEntry[], void, undefined> {
    let rest = Buffer.alloc(0);
    for await (const chunk of lines) {
      const bytes = Buffer.concat([rest, chunk]);
      const end = bytes.lastIndexOf(0x0a) + 1;
      rest = bytes.subarray(end);
      if (rest.length > limits.guestDataBytesMax) throw this.#violation("an endless name");
      const batch = bytes.subarray(0, end).toString("utf8").split("\n").filter(Boolean);
      if (batch.length > 0) yield batch.map((line) => this.#entry(line));
    }
  }

  #entry(line: string): DirectoryEntry {
    try {
      return DirectoryEntry.parse(JSON.parse(line));
    } catch (cause) {
      throw this.#violation("a directory entry of the wrong shape", cause);
    }
  }

  /** The guest broke the protocol: its link, and so its machine, is given up. */
  #violation(message: string, cause?: unknown): SandboxError {
    const error = new FrameError(message, { cause });
    this.#link.fail(error);
    return new SandboxError("SANDBOX_GONE", undefined, { cause: error });
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
}

function withDeadline(ms: number, signal: AbortSignal | undefined): AbortSignal {
  const deadline = AbortSignal.timeout(ms);
  return signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
}

/** Gives a call up when `signal` aborts: the guest is told, and the caller gets the reason. */
/** Of a `dial` or an `accept` that was answered. */
function socketOf(channel: Channel): GuestSocket {
  return { output: channel.output(), input: channel, close: () => channel.cancel() };
}

function cancelOn(channel: Channel, signal: AbortSignal | undefined): Disposable {
  const abort = (): void => {
    channel.cancel();
    channel.abandon(signal?.reason);
  };
  signal?.addEventListener("abort", abort, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", abort) };
}
