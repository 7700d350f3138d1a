import {
  GuestError,
  SandboxError,
  type ByteStream,
  type DialTarget,
  type DirectoryEntry,
  type Guest,
  type GuestCall,
  type GuestListener,
  type GuestParams,
  type GuestProcess,
  type GuestResult,
  type GuestSocket,
  type ListenTarget,
  type SpawnParams,
  type WriteFileParams,
} from "@skerry/protocol";

import { FakeFiles } from "./fake-files.ts";
import { FakeHandles } from "./fake-handles.ts";
import { FakeProcess } from "./fake-process.ts";

type Calls = {
  readonly [M in GuestCall]?: (params: GuestParams[M]) => Promise<GuestResult<M>> | GuestResult<M>;
};

/** A machine's inside, in memory: enough of it for what control does. */
export class FakeGuest implements Guest {
  readonly files = new FakeFiles();
  readonly handles = new FakeHandles(this.files);
  readonly processes = new Map<number, FakeProcess>();
  readonly environment: Record<string, string>;
  /** Answers to {@link dial}. */
  onDial: (target: DialTarget) => Promise<GuestSocket> = async () => {
    throw new GuestError({ errno: "ECONNREFUSED", message: "Connection refused" });
  };
  /** Answers to {@link listen}. */
  onListen: (target: ListenTarget) => Promise<GuestListener> = async () => {
    throw new GuestError({ errno: "EADDRINUSE", message: "Address already in use" });
  };
  #lastPid = 100;
  #gone = Promise.withResolvers<never>();
  #isGone = false;
  readonly #calls: Calls;

  constructor(environment: Readonly<Record<string, string>>) {
    this.environment = { HOME: "/home/sandbox", ...environment };
    this.#gone.promise.catch(() => {}); // those who wait have the rejection too
    this.#calls = {
      ...this.#processCalls(),
      ...this.#environmentCalls(),
      ...this.#fileCalls(),
      ...this.#handleCalls(),
    };
  }

  /** The machine has ended: what waits rejects. */
  lose(): void {
    this.#isGone = true;
    this.#gone.reject(new SandboxError("SANDBOX_GONE"));
    for (const process of this.processes.values()) process.lose();
  }

  async call<M extends GuestCall>(
    method: M,
    params: GuestParams[M],
    signal?: AbortSignal,
  ): Promise<GuestResult<M>> {
    this.#check(signal);
    const run = this.#calls[method];
    if (run === undefined) throw new GuestError({ errno: "ENOSYS", message: method });
    return await Promise.race([run(params), this.#gone.promise]);
  }

  async spawn(params: SpawnParams): Promise<GuestProcess> {
    this.#check();
    const process = new FakeProcess(++this.#lastPid, params, this.environment);
    this.processes.set(process.pid, process);
    return process;
  }

  async readFile(path: string, signal?: AbortSignal): Promise<ByteStream> {
    this.#check(signal);
    const gone = this.#gone.promise;
    if (path === "/dev/stuck") return stuck(signal, gone);
    const bytes = this.files.read(path);
    return (async function* () {
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    })();
  }

  async writeFile(
    params: WriteFileParams,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number> {
    this.#check(signal);
    if (params.path.startsWith("/missing/")) {
      throw new GuestError({ errno: "ENOENT", message: `No such file: open '${params.path}'` });
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(Uint8Array.from(chunk));
    const bytes = Buffer.concat(chunks);
    this.files.write(params, bytes);
    return bytes.length;
  }

  async readDirectory(
    path: string,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<DirectoryEntry[]>> {
    this.#check(signal);
    const entries = this.files.list(path);
    return (async function* () {
      yield entries;
    })();
  }

  async attach(pid: number): Promise<GuestProcess> {
    this.#check();
    return this.#find(pid);
  }

  async readHandle(handle: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    this.#check(signal);
    return this.handles.read(handle, length);
  }

  async writeHandle(
    handle: number,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number> {
    this.#check(signal);
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(Uint8Array.from(chunk));
    return this.handles.write(handle, Buffer.concat(chunks));
  }

  async dial(target: DialTarget, signal?: AbortSignal): Promise<GuestSocket> {
    this.#check(signal);
    return await Promise.race([this.onDial(target), this.#gone.promise]);
  }

  async listen(target: ListenTarget, signal?: AbortSignal): Promise<GuestListener> {
    this.#check(signal);
    return await Promise.race([this.onListen(target), this.#gone.promise]);
  }

  #check(signal?: AbortSignal): void {
    signal?.throwIfAborted();
    if (this.#isGone) throw new SandboxError("SANDBOX_GONE");
  }

  #find(pid: number): FakeProcess {
    const process = this.processes.get(pid);
    if (process === undefined) throw new GuestError({ errno: "ESRCH", message: "No such process" });
    return process;
  }

  #processCalls(): Calls {
    return {
      wait: async ({ pid }) => await this.#find(pid).ended,
      kill: ({ pid, signal }) => {
        this.#find(pid).kill(signal);
        return {};
      },
      "editor.mount": () => ({}),
    };
  }

  #environmentCalls(): Calls {
    const { environment } = this;
    return {
      "env.get": ({ key }) => environment[key] ?? null,
      "env.set": ({ key, value }) => {
        if (key.includes("=")) throw new GuestError({ errno: "EINVAL", message: "Invalid key" });
        environment[key] = value;
        return {};
      },
      "env.delete": ({ key }) => {
        delete environment[key];
        return {};
      },
      "env.all": () => ({ ...environment }),
    };
  }

  #handleCalls(): Calls {
    const { handles } = this;
    const done = (_result: void): Record<string, never> => ({});
    return {
      "fs.open": (params) => handles.open(params),
      "file.seek": ({ handle, offset, whence }) => handles.seek(handle, offset, whence),
      "file.stat": ({ handle }) => handles.stat(handle),
      "file.truncate": ({ handle, length }) => done(handles.truncate(handle, length ?? 0)),
      "file.lock": ({ handle }) => handles.lock(handle),
      "file.unlock": ({ handle }) => done(handles.unlock(handle)),
      "file.close": ({ handle }) => done(handles.close(handle)),
    };
  }

  #fileCalls(): Calls {
    const { files } = this;
    const done = (_result: undefined | void): Record<string, never> => ({});
    return {
      "fs.stat": ({ path }) => files.stat(path),
      "fs.lstat": ({ path }) => files.stat(path),
      "fs.mkdir": ({ path, recursive }) => done(files.makeDirectory(path, recursive === true)),
      "fs.remove": ({ path, recursive }) => done(files.remove(path, recursive === true)),
      "fs.rename": ({ from, to }) => done(files.rename(from, to)),
      "fs.copy": ({ from, to }) => done(files.copy(from, to)),
      "fs.chmod": ({ path, mode }) => done(files.chmod(path, mode)),
      "fs.symlink": ({ target, path }) => done(files.symlink(target, path)),
      "fs.readLink": ({ path }) => files.read(path).toString(),
      "fs.realPath": ({ path }) => path,
      "fs.makeTemp": ({ prefix = "", suffix = "", directory }) =>
        files.makeTemporary(prefix, suffix, directory),
      "fs.truncate": ({ path, length }) => done(files.truncate(path, length ?? 0)),
    };
  }
}

/** A file that never yields a byte, such as a FIFO that nobody writes to. */
async function* stuck(signal: AbortSignal | undefined, gone: Promise<never>): ByteStreamOf {
  const { promise, reject } = Promise.withResolvers<never>();
  signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  yield await Promise.race([promise, gone]);
}

type ByteStreamOf = AsyncGenerator<Uint8Array, void, void>;
