import type { ExposeRequest } from "@skerry/protocol";

import { parseDuration, type Duration } from "./durations.ts";
import { InvalidOptionError } from "./errors.ts";

/** What of a sandbox is to be reached from outside. */
export interface ExposeTarget extends PrivateOptions {
  /** The port of an HTTP server in the sandbox, which may start later. */
  readonly port?: number | undefined;
  /** The server of a process: of a Deno program, whatever its port is; else the port on which it listens. */
  readonly pid?: number | undefined;
  /** Whether the name answers only to addresses with a signature. Default `false`: to everybody. */
  readonly private?: boolean | undefined;
}

/** How long an address of a private name is valid. */
export interface PrivateOptions {
  /** How long the address is valid, as `"15m"`, the default, or `"2h"`; at most seven days. For private names. */
  readonly expires?: Duration | undefined;
  /** The same in milliseconds. */
  readonly expiresInMs?: number | undefined;
}

/** @internal What a name is to lead to. @throws {InvalidOptionError} */
export function targetOf({ port, pid }: ExposeTarget): { port: number } | { pid: number } {
  if (port !== undefined && pid === undefined) {
    if (Number.isInteger(port) && port >= 1 && port <= 65_535) return { port };
    throw new InvalidOptionError(`Invalid port: ${port}.`, {
      remedy: "Pass a number from 1 to 65535.",
    });
  }
  if (pid !== undefined && port === undefined) return { pid };
  throw new InvalidOptionError("Exactly one of 'port' and 'pid' is needed.", {
    remedy: "Pass { port: 8080 }, or a process.",
  });
}

/** @internal How a name is to be. @throws {InvalidOptionError} */
export function exposeRequest(target: ExposeTarget): ExposeRequest {
  if (target.private !== true) return {};
  return { private: true, ...expiry(target) };
}

/** @internal @throws {InvalidTimeoutError} */
export function expiry({ expires, expiresInMs }: PrivateOptions): { expires_in_ms?: number } {
  const ms = expires === undefined ? expiresInMs : parseDuration(expires);
  return ms === undefined ? {} : { expires_in_ms: ms };
}
