import { execFile } from "node:child_process";
import { promisify } from "node:util";

import type { SetRecord } from "@skerry/control";
import { limits } from "@skerry/protocol";

/** Sets records by a program of the operator's, which knows their DNS. */
export function dnsRecords(program: string): SetRecord {
  return async (what, name, value) => {
    try {
      await promisify(execFile)(program, [what, name, value], { timeout: limits.dnsProgramMs });
    } catch (cause) {
      throw new Error(`${program} ${what} ${name} has failed`, { cause });
    }
  };
}
