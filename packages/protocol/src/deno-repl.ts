import { z } from "zod";

import { FrameError } from "./frame.ts";
import { limits } from "./limits.ts";

/**
 * What is said to `deno repl --json` over its descriptor 3, and what it says: JSON after a `u32`
 * length, little-endian (Deno 2.9.6; the option is not in its help). Deno's own REPL evaluates, so
 * what TypeScript, `import`, top-level `await` and declaring something twice mean is what they mean
 * there. See docs/design/0004-deno-repl.md.
 */
export const ReplAnswer = z.discriminatedUnion("type", [
  z.object({ type: z.literal("RunSuccess"), output: z.string().nullish() }),
  /** The code threw. */
  z.object({ type: z.literal("RunFailure") }),
  /** The code is no code. */
  z.object({ type: z.literal("Error"), error: z.string() }),
]);
export type ReplAnswer = z.infer<typeof ReplAnswer>;

/** What is asked of Deno to start a REPL. */
export const replCommand = {
  command: "deno",
  args: ["repl", "--allow-all", "--quiet", "--json"],
} as const;

/** Variables that every Deno of ours has while it starts. */
export const denoEnvironment = { DENO_NO_UPDATE_CHECK: "1", DENO_NO_PROMPT: "1" } as const;

/** Where the runtime disk has what runs inside Deno. */
export const denoRuntime = "file:///.skerry/runtime/deno";

/** The name under which a template keeps its REPL, and the HTTP socket that this one has. */
export const replStandby = { name: "deno-repl", socket: "/run/skerry/http-standby.sock" } as const;

/** The code that makes a REPL ours. */
export function replPrelude(socket: string): string {
  const http = JSON.stringify(`${denoRuntime}/http.js?socket=${encodeURIComponent(socket)}`);
  return `await import(${JSON.stringify(`${denoRuntime}/repl.js`)}); await import(${http});`;
}

/** An expression that calls what {@link replPrelude} has left behind. */
export function replCall(method: string, ...args: readonly unknown[]): string {
  const given = args.map((arg) => JSON.stringify(arg)).join(", ");
  return `globalThis[Symbol.for("skerry.repl")].${method}(${given})`;
}

/** The message that runs `code`; with `output` its value comes back as text. */
export function encodeRun(code: string, output: boolean): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify({ type: "Run", code, output }));
  const message = new Uint8Array(4 + json.length);
  new DataView(message.buffer).setUint32(0, json.length, true);
  message.set(json, 4);
  return message;
}

/** Cuts what a REPL says into answers. */
export class ReplReader {
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  /** @throws {FrameError} when it is too long, or makes no sense. */
  *push(chunk: Uint8Array): Generator<ReplAnswer, void, void> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      const head = this.#peek(4);
      if (head === undefined) return;
      const length = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
      if (length > limits.replAnswerBytesMax) throw new FrameError("an answer that is too long");
      const whole = this.#peek(4 + length);
      if (whole === undefined) return;
      this.#chunks = [whole.subarray(4 + length)];
      this.#bytes -= 4 + length;
      yield parse(new TextDecoder().decode(whole.subarray(4, 4 + length)));
    }
  }

  /** What has come so far, in one piece, when it is at least `count` bytes. */
  #peek(count: number): Uint8Array | undefined {
    if (this.#bytes < count) return undefined;
    const [first] = this.#chunks;
    if (first === undefined || first.length >= count) return first;
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [whole];
    return whole;
  }
}

function parse(text: string): ReplAnswer {
  try {
    return ReplAnswer.parse(JSON.parse(text));
  } catch (cause) {
    throw new FrameError("an answer that makes no sense", { cause });
  }
}
