import { readFileSync } from "node:fs";
import { join } from "node:path";

import { prepared } from "../../test/support/machine-home.ts";
import { row, type Row } from "./stats.ts";

/** How long the longest set-up of this home took: the one that built everything. */
export async function setup(): Promise<Row[]> {
  const seconds = Number(readFileSync(join(prepared().home, "setup-seconds.json"), "utf8"));
  return [row("npm start until the machine template", "s", [seconds])];
}
