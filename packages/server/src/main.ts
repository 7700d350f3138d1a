#!/usr/bin/env node
import { ConfigError, readConfig, usage } from "./config.ts";
import { openLog } from "./log.ts";
import { serve, type RunningServer } from "./serve.ts";

/** `skerry serve`: the one file that ends the process. */
async function main(): Promise<void> {
  const config = readConfig(process.argv.slice(2));
  if (config === null) {
    process.stdout.write(usage);
    return;
  }
  const log = openLog(config.logLevel, config.logFile);
  const stopped = Promise.withResolvers<void>();
  const starting = new AbortController();
  let signals = 0;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (++signals > 1) process.exit(130); // what is left, the next start clears away
      log.info({ signal: name }, "server stops");
      starting.abort();
      stopped.resolve();
    });
  }
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "server failed"); // its duration sandboxes live on for the next start
    process.exit(1);
  });
  let server: RunningServer;
  try {
    server = await serve(config, starting.signal, { log });
  } catch (error) {
    if (starting.signal.aborted) return;
    throw error;
  }
  await stopped.promise;
  await server.close();
}

try {
  await main();
  process.exit(0);
} catch (error) {
  const problems = error instanceof ConfigError ? error.problems : [messageOf(error)];
  for (const problem of problems) process.stderr.write(`skerry: ${problem}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && error.code === "EADDRINUSE") {
    return `${error.message}; end the program that has it, or choose another with --listen, --https or --ssh`;
  }
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`;
}
