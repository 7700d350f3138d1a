import { Duplex } from "node:stream";

import { encodeFrame, type Frame, FrameReader, limits } from "@skerry/protocol";

import { type FakeProgram, startProgram } from "./fake-programs.ts";

type Reply =
  | { readonly ok: unknown }
  | { readonly error: { errno: string | null; message: string } };

interface Call {
  readonly channel: number;
  readonly method: string;
  readonly params: Record<string, unknown>;
  input: Buffer[];
}

/** A guest in memory: environment, flat files, and the programs of `fake-programs.ts`. */
export class FakeGuest {
  readonly #env = new Map([["HOME", "/home/sandbox"]]);
  readonly #files = new Map<string, Buffer>();
  readonly #programs = new Map<number, FakeProgram>();
  #port: PortEnd | undefined;
  #nextPid = 100;

  /** Opens the host's end of the port; an earlier one is dropped, as a guest drops a host that left. */
  connect(): Duplex {
    this.#port?.destroy();
    const port = new PortEnd((calls, frame) => this.#receive(port, calls, frame));
    this.#port = port;
    return port;
  }

  end(): void {
    for (const program of this.#programs.values()) program.kill("SIGKILL");
    this.#port?.destroy();
  }

  #receive(port: PortEnd, calls: Map<number, Call>, frame: Frame): void {
    if (frame.kind === "hello") {
      const { nonce } = JSON.parse(Buffer.from(frame.json).toString()) as { nonce: string };
      const hello = Buffer.from(JSON.stringify({ version: 1, boot: "fake", nonce }));
      port.send({ kind: "hello", channel: 0, json: hello });
      return;
    }
    if (frame.kind === "request") {
      const { method, params } = JSON.parse(Buffer.from(frame.json).toString()) as Call;
      const call = { channel: frame.channel, method, params, input: [] };
      calls.set(frame.channel, call);
      if (method === "spawn") this.#spawn(port, call);
      else if (method === "fs.write") port.respond(call.channel, { ok: {} });
      else this.#answer(port, call);
      return;
    }
    const call = calls.get(frame.channel);
    if (call === undefined) return;
    if (frame.kind === "data") {
      const bytes = Buffer.from(frame.bytes);
      call.input.push(bytes);
      port.send({ kind: "credit", channel: call.channel, stream: 0, credit: bytes.length });
    } else if (frame.kind === "end") this.#inputEnded(port, calls, call);
  }

  #inputEnded(port: PortEnd, calls: Map<number, Call>, call: Call): void {
    const input = Buffer.concat(call.input);
    if (call.method === "fs.write") {
      this.#files.set(String(call.params["path"]), input);
      port.event(call.channel, { done: { bytes: input.length } });
      port.send({ kind: "close", channel: call.channel });
      calls.delete(call.channel);
    } else {
      for (const program of this.#programs.values()) {
        if (program.channel === call.channel) program.stdin(input);
      }
    }
  }

  #spawn(port: PortEnd, call: Call): void {
    const pid = this.#nextPid;
    const program = startProgram(call.channel, call.params, {
      output: (stream, bytes) => port.data(call.channel, stream, bytes),
      exit: (exit) => {
        this.#programs.delete(pid);
        for (const stream of [1, 2] as const) {
          port.send({ kind: "end", channel: call.channel, stream });
        }
        port.event(call.channel, { exit });
        port.send({ kind: "close", channel: call.channel });
      },
    });
    if (program === undefined) {
      port.respond(call.channel, failure("ENOENT", "No such file or directory (os error 2)"));
      port.send({ kind: "close", channel: call.channel });
      return;
    }
    this.#nextPid += 1;
    this.#programs.set(pid, program);
    port.respond(call.channel, { ok: { pid } });
    program.run();
  }

  #answer(port: PortEnd, { channel, method, params }: Call): void {
    if (method === "fs.read") this.#readFile(port, channel, String(params["path"]));
    else port.respond(channel, this.#reply(method, params));
    port.send({ kind: "close", channel });
  }

  #readFile(port: PortEnd, channel: number, path: string): void {
    const content = this.#files.get(path);
    if (content === undefined) {
      port.respond(channel, failure("ENOENT", "No such file or directory (os error 2)"));
      return;
    }
    port.respond(channel, { ok: {} });
    port.data(channel, 1, content);
    port.send({ kind: "end", channel, stream: 1 });
  }

  #reply(method: string, params: Record<string, unknown>): Reply {
    const key = String(params["key"]);
    switch (method) {
      case "ping":
      case "prepare":
        return { ok: {} };
      case "configure":
        for (const [name, value] of Object.entries(params["env"] ?? {})) {
          this.#env.set(name, String(value));
        }
        return { ok: {} };
      case "env.get":
        return { ok: this.#env.get(key) ?? null };
      case "env.set":
        this.#env.set(key, String(params["value"]));
        return { ok: {} };
      case "env.delete":
        this.#env.delete(key);
        return { ok: {} };
      case "env.all":
        return { ok: Object.fromEntries(this.#env) };
      case "fs.stat":
        return this.#stat(String(params["path"]));
      case "kill": {
        const program = this.#programs.get(Number(params["pid"]));
        if (program === undefined) return failure("ESRCH", "No such process (os error 3)");
        program.kill(String(params["signal"]));
        return { ok: {} };
      }
      default:
        return failure("ENOSYS", `${method} is not in a fake guest`);
    }
  }

  #stat(path: string): Reply {
    const size = path === "/home/sandbox" ? 0 : this.#files.get(path)?.length;
    if (size === undefined) return failure("ENOENT", "No such file or directory (os error 2)");
    const times = { mtimeMs: 0, atimeMs: 0, ctimeMs: 0, birthtimeMs: null };
    const ids = { dev: 1, ino: 1, nlink: 1, uid: 1000, gid: 1000, rdev: 0 };
    return {
      ok: { kind: "file", size, ...times, ...ids, mode: 0o100644, blksize: 4096, blocks: 1 },
    };
  }
}

/** The host's end of a port in memory: what the host writes are requests, what it reads is ours. */
class PortEnd extends Duplex {
  readonly #reader = new FrameReader();
  readonly #calls = new Map<number, Call>();
  readonly #receive: (calls: Map<number, Call>, frame: Frame) => void;

  constructor(receive: (calls: Map<number, Call>, frame: Frame) => void) {
    super();
    this.#receive = receive;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    for (const frame of this.#reader.push(chunk)) this.#receive(this.#calls, frame);
    done();
  }

  send(frame: Frame): void {
    if (!this.destroyed) this.push(encodeFrame(frame));
  }

  respond(channel: number, reply: Reply): void {
    this.send({ kind: "response", channel, json: Buffer.from(JSON.stringify(reply)) });
  }

  event(channel: number, event: object): void {
    this.send({ kind: "event", channel, json: Buffer.from(JSON.stringify(event)) });
  }

  /** Sends at most a window: the fake's programs say little. */
  data(channel: number, stream: 1 | 2, bytes: Buffer): void {
    for (let at = 0; at < Math.min(bytes.length, limits.guestWindowBytes); at += 65_536) {
      this.send({ kind: "data", channel, stream, bytes: bytes.subarray(at, at + 65_536) });
    }
  }
}

function failure(errno: string, message: string): Reply {
  return { error: { errno, message } };
}
