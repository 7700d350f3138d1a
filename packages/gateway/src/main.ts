#!/usr/bin/env node
import process from "node:process";

import { destination, pino } from "pino";

import { ConfigError, readConfig, usage } from "./config.ts";
import { openGateway } from "./gateway.ts";

/** `skerry gateway`: the SSH gateway alone, on this machine or another than control's. */
async function main(): Promise<void> {
  const config = readConfig(process.argv.slice(2));
  if (config === null) {
    process.stdout.write(usage);
    return;
  }
  const { logLevel: level, ...options } = config;
  const log = pino({ level }, destination({ dest: 2, sync: true }));
  const stopped = Promise.withResolvers<void>();
  let signals = 0;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (++signals > 1) process.exit(130);
      log.info({ signal: name }, "gateway stops");
      stopped.resolve();
    });
  }
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "gateway failed");
    process.exit(1);
  });
  await using gateway = await openGateway({ ...options, log });
  log.info(gateway.endpoint, "gateway ready");
  await stopped.promise;
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
  return error instanceof Error ? error.message : String(error);
}
