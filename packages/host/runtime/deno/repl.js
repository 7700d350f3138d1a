import { parse } from "./devalue/index.js";
/**
 * The side of a REPL that is inside it. Deno's own REPL evaluates; what it says of a value is text, so
 * this looks at the last value and the last error and says more. `packages/control` calls it by the
 * symbol at the end.
 */
import { describe } from "./thrown.js";
import { toDevalue, toJson } from "./values.js";

/** As they are before a program declares a `_` of its own. */
const value = Object.getOwnPropertyDescriptor(globalThis, "_");
const thrown = Object.getOwnPropertyDescriptor(globalThis, "_error");
const lastValue = () => value?.get?.call(globalThis);
const lastError = () => thrown?.get?.call(globalThis);

/** Longest answer that is sent, in UTF-16 units; Skerry refuses longer ones. */
const answerMax = 12 * 1_048_576;

let kept;

const harness = {
  /** Makes this process the caller's: its environment, directory and arguments. */
  begin({ env, args }) {
    for (const key of Object.keys(Deno.env.toObject())) {
      if (!Object.hasOwn(env, key)) Deno.env.delete(key);
    }
    for (const [key, value] of Object.entries(env)) Deno.env.set(key, value);
    if (args.length > 0) {
      Object.defineProperty(Deno, "args", { value: Object.freeze(args), configurable: true });
    }
    seedRandom();
  },

  /** The last value as text. It is kept, because asking makes the question the last value. */
  answer(encoding) {
    kept = lastValue();
    try {
      const text = encoding === "devalue" ? toDevalue(kept) : toJson(kept);
      if (text.length > answerMax)
        throw new RangeError(`The value is too large to be sent: ${text.length} bytes.`);
      return text;
    } catch (error) {
      return `!${JSON.stringify(describe(error))}`;
    }
  },

  /** What `devalue.stringify` has written. */
  decode: parse,

  /** The last error as text, in the shape of `ThrownError`. */
  failure() {
    return JSON.stringify(describe(lastError()));
  },

  /** What the last value was before it was asked for. */
  restore() {
    return kept;
  },
};

/**
 * V8 seeds `Math.random` from a state that a machine shares with all that are made from its template.
 * What takes its place is xoshiro128**, seeded from the kernel, which every machine has of its own.
 */
function seedRandom() {
  const state = new Uint32Array(4);
  const source = Deno.openSync("/dev/urandom", { read: true });
  try {
    source.readSync(new Uint8Array(state.buffer));
  } finally {
    source.close();
  }
  state[0] |= 1; // all zeroes would stay so
  const next = () => {
    const rotated = Math.imul(state[1], 5);
    const result = Math.imul((rotated << 7) | (rotated >>> 25), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = (state[3] << 11) | (state[3] >>> 21);
    return result;
  };
  const random = () => ((next() >>> 5) * 67_108_864 + (next() >>> 6)) / 9_007_199_254_740_992;
  Object.defineProperty(Math, "random", {
    value: { random }.random,
    configurable: true,
    writable: true,
  });
}

Object.defineProperty(globalThis, Symbol.for("skerry.repl"), { value: Object.freeze(harness) });
