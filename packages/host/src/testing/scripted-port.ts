import { Duplex } from "node:stream";

import { encodeFrame, type Frame, FrameReader } from "@skerry/protocol";

/** A guest's port whose guest is the test: what the host sends is kept, what it gets is scripted. */
export class ScriptedPort extends Duplex {
  /** Frames that the host has sent. */
  readonly sent: Frame[] = [];
  #reader = new FrameReader();
  #waiting: { kind: Frame["kind"]; resolve: (frame: Frame) => void }[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    try {
      for (const frame of this.#reader.push(chunk)) this.#note(frame);
    } catch {
      this.nudges += 1; // a real guest takes it for a protocol error and starts again
      this.#reader = new FrameReader();
    }
    done();
  }

  /** Times that the host sent what is no frame. */
  nudges = 0;

  say(frame: Frame): void {
    this.push(encodeFrame(frame));
  }

  /** Answers the host's greeting. */
  async hello(version = 1): Promise<void> {
    const greeting = await this.next("hello");
    if (greeting.kind !== "hello") return;
    const { nonce } = JSON.parse(Buffer.from(greeting.json).toString()) as { nonce: string };
    this.say({ kind: "hello", channel: 0, json: json({ version, boot: "scripted", nonce }) });
  }

  respond(channel: number, value: unknown): void {
    this.say({ kind: "response", channel, json: json({ ok: value }) });
  }

  /** The next frame of this kind that the host sends, or has sent and nobody has taken. */
  async next(kind: Frame["kind"]): Promise<Frame> {
    const at = this.sent.findIndex((frame) => frame.kind === kind);
    if (at >= 0) return this.sent.splice(at, 1)[0] as Frame;
    return await new Promise((resolve) => this.#waiting.push({ kind, resolve }));
  }

  #note(frame: Frame): void {
    const at = this.#waiting.findIndex(({ kind }) => kind === frame.kind);
    if (at >= 0) this.#waiting.splice(at, 1)[0]?.resolve(frame);
    else this.sent.push(frame);
  }
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
