import { destination, pino, type Logger } from "pino";

/** How much a log tells, the least first. */
export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
/** One of them. */
export type LogLevel = (typeof logLevels)[number];

/** Where a credential might stand if somebody logged a request whole. */
const secretPaths = [
  "authorization",
  "token",
  "*.authorization",
  "*.token",
  "headers.authorization",
  'headers["x-deno-sandbox-config"]',
  "*.headers.authorization",
  '*.headers["x-deno-sandbox-config"]',
];

/**
 * The log of a service: one JSON object a line. It is written at once, so that nothing is lost when the
 * process dies.
 *
 * @param file Null: standard error.
 */
export function openLog(level: LogLevel, file: string | null): Logger {
  const target =
    file === null
      ? destination({ dest: 2, sync: true })
      : destination({ dest: file, sync: true, mkdir: true, mode: 0o600 });
  return pino({ level, redact: { paths: secretPaths, censor: "[secret]" } }, target);
}
