import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { readConfig, serve, type RunningServer } from "../packages/server/src/index.ts";
import { interruptible, prepare } from "./prepare.ts";
import { CommandFailed, main } from "./run.ts";
import { ProgressDisplay } from "./setup/index.ts";

const program = new URL("../examples/first-program.ts", import.meta.url).pathname;
const warmUpMs = 300_000;

await main(async () => {
  const { once, args } = readArguments();
  const signal = interruptible();
  const server = await open(args, signal);
  try {
    await runFirstProgram(server);
    if (once) return;
    say(whatNext(server));
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    say("stopping");
  } finally {
    await server.close();
  }
});
process.exit();

function readArguments(): { once: boolean; args: readonly string[] } {
  const all = process.argv.slice(2);
  parseArgs({ args: all, options: { once: { type: "boolean" } }, strict: false });
  return { once: all.includes("--once"), args: all.filter((arg) => arg !== "--once") };
}

/** Sets up, starts the server, and waits until the first sandbox will be quick. */
async function open(args: readonly string[], signal: AbortSignal): Promise<RunningServer> {
  using display = new ProgressDisplay({ stream: process.stdout });
  const { home } = await prepare(display, signal);
  await mkdir(join(home, "run"), { recursive: true, mode: 0o700 });
  const logFile = join(home, "run", "server.log");
  const config = readConfig(["--home", home, "--log-file", logFile, ...args]);
  if (config === null) throw new Error("npm start -- [--once] [the options of skerry serve]");
  const step = "machine template";
  display.report({ step, detail: "booting, warming and capturing the first machine" });
  const server = await serve(config, signal);
  await server.warm(AbortSignal.any([signal, AbortSignal.timeout(warmUpMs)]));
  display.report({ step, done: true });
  return server;
}

/** Runs the README's program as any user's program runs: a process, with the environment set. */
async function runFirstProgram(server: RunningServer): Promise<void> {
  const { acceleration } = server.hostStatus();
  say(`serving on ${server.url} (${acceleration.kind}: ${acceleration.reason})`);
  say(`running examples/first-program.ts in a fresh microVM\n`);
  const started = performance.now();
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
    stdio: "inherit",
    env: {
      ...process.env,
      DENO_DEPLOY_ENDPOINT: server.url,
      DENO_SANDBOX_ENDPOINT: server.url,
      DENO_DEPLOY_TOKEN: server.token,
    },
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (exitCode) => resolve(exitCode ?? 1));
  });
  if (code !== 0) throw new CommandFailed("the first program", code);
  say(
    `\ndone in ${Math.round(performance.now() - started)} ms, from the start of the process to its end`,
  );
}

function whatNext(server: RunningServer): string {
  return `
Still serving; Ctrl-C stops it. In another terminal:

  eval "$(npx skerry env)"             point the official clients here
  npx skerry create --timeout 10m      a sandbox that stays for ten minutes
  npx skerry expose ID 8080            an address for what it serves there
  npx skerry list
  npx skerry doctor                    what this host can do, and why not more

State and log: ${server.home}`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
