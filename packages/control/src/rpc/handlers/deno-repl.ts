import type { DenoRepl, ReplEncoding } from "../deno/repl.ts";
import { denoOf } from "../deno/runtime.ts";
import { invalidParams } from "../failures.ts";
import { launch } from "../launch.ts";
import type { Handlers } from "./handler.ts";

/** Deno REPLs. */
export const denoReplHandlers: Handlers<
  "spawnDenoRepl" | "denoReplEval" | "denoReplCall" | "denoReplClose"
> = {
  async spawnDenoRepl(params, context) {
    const { env, clearEnv, cwd, scriptArgs: args = [], stdout, stderr } = params;
    const deno = denoOf(context.guest);
    let repl: DenoRepl | undefined;
    const { answer } = await launch(
      params,
      { command: "deno", args: ["repl", ...args] },
      async (stdin) => {
        const options = { env, clearEnv, cwd, args, stdin, stdout, stderr };
        repl = await deno.startRepl(options, context.signal);
        return repl.child;
      },
      context,
    );
    if (repl !== undefined) context.repls.add(repl);
    return answer;
  },
  async denoReplEval({ pid, code, encoding }, { repls, signal }) {
    return await repls.get(pid).evaluate(code, encodingOf(encoding), signal);
  },
  async denoReplCall({ pid, fn, args, encoding }, { repls, signal }) {
    const given = encoding === "devalue" ? decodeCall(args) : JSON.stringify(arrayOf(args));
    const code = `await (${fn}\n)(...${given})`;
    return await repls.get(pid).evaluate(code, encodingOf(encoding), signal);
  },
  async denoReplClose({ pid }, { guest, repls }) {
    repls.get(pid).close();
    denoOf(guest).prepareSpare();
    return null;
  },
};

function encodingOf(encoding: "devalue" | undefined): ReplEncoding {
  return encoding ?? "json";
}

function arrayOf(args: unknown): readonly unknown[] {
  if (Array.isArray(args)) return args as readonly unknown[];
  throw invalidParams([{ path: ["args"], message: "args must be an array" }]);
}

/** The text is decoded where it is used, so that what is in it becomes what it says there. */
function decodeCall(args: unknown): string {
  if (typeof args === "string") return `(${decoder}(${JSON.stringify(args)}))`;
  throw invalidParams([{ path: ["args"], message: "args must be text with this encoding" }]);
}

const decoder = 'globalThis[Symbol.for("skerry.repl")].decode';
