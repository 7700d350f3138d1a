import { writeFileSync } from "node:fs";

import { contract } from "../packages/protocol/src/contract.ts";

/** Writes `packages/protocol/contract.json`; a test fails when it says something else than the schemas. */
writeFileSync(
  new URL("../packages/protocol/contract.json", import.meta.url),
  `${JSON.stringify(contract(), null, 2)}\n`,
);
