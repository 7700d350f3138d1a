import { fileURLToPath } from "node:url";

import { bundleSdk } from "./bundle.ts";
import { main } from "./run.ts";

/** `npm run build`: the package of the TypeScript client, in `packages/sdk/dist`. */
await main(async () => {
  const output = fileURLToPath(new URL("../packages/sdk/dist", import.meta.url));
  await bundleSdk(output);
  process.stdout.write(`${output}\n`);
});
