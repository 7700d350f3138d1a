import type { Logger } from "pino";

import { ConfigError } from "./config-error.ts";

const interruptedCode = 130;

/** A process that runs until it is told to stop. */
export interface Service<Config> {
  /** What the log calls it. */
  readonly name: string;
  /** What `--help` prints. */
  readonly usage: string;
  /** Null: help is asked for. @throws {ConfigError} */
  readonly readConfig: (args: readonly string[]) => Config | null;
  readonly openLog: (config: Config) => Logger;
  /** What it gives is disposed of when the process is told to stop. @param signal Aborts when that is before. */
  readonly start: (config: Config, log: Logger, signal: AbortSignal) => Promise<AsyncDisposable>;
  /** What the user can do about an error, by its code. */
  readonly remedies?: Readonly<Record<string, string>>;
}

/**
 * Runs a service as the whole of this process, and ends it: with 0 when it was told to stop, 2 when its
 * configuration is wrong, 130 when it is told a second time, and 1 when it failed.
 */
export async function runService<Config>(service: Service<Config>): Promise<never> {
  try {
    await run(service);
    process.exit(0);
  } catch (error) {
    const isConfig = error instanceof ConfigError;
    const problems = isConfig ? error.problems : [explain(error, service.remedies ?? {})];
    for (const problem of problems) process.stderr.write(`skerry: ${problem}\n`);
    process.exit(isConfig ? 2 : 1);
  }
}

async function run<Config>(service: Service<Config>): Promise<void> {
  const config = service.readConfig(process.argv.slice(2));
  if (config === null) {
    process.stdout.write(service.usage);
    return;
  }
  const log = service.openLog(config);
  const stopping = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (stopping.signal.aborted) process.exit(interruptedCode); // the next start clears away what is left
      log.info({ signal: name }, `${service.name} stops`);
      stopping.abort();
    });
  }
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, `${service.name} failed`);
    process.exit(1);
  });
  const { signal } = stopping;
  const stopped = new Promise((resolve) => signal.addEventListener("abort", resolve));
  await using _running = await service.start(config, log, signal).catch((error: unknown) => {
    if (signal.aborted) return null; // it was told to stop before it had started
    throw error;
  });
  await stopped;
}

function explain(error: unknown, remedies: Readonly<Record<string, string>>): string {
  if (!(error instanceof Error)) return String(error);
  const remedy = "code" in error ? remedies[String(error.code)] : undefined;
  if (remedy !== undefined) return `${error.message}; ${remedy}`;
  return error.cause === undefined
    ? error.message
    : `${error.message}: ${explain(error.cause, remedies)}`;
}
