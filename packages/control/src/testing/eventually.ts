import { setImmediate as turn } from "node:timers/promises";

const patienceMs = 10_000;

/** Lets other things happen until `isSo`; throws when it does not come to that. */
export async function eventually(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!isSo()) {
    if (performance.now() > deadline)
      throw new Error(`not so after ${patienceMs} ms: ${String(isSo)}`);
    await turn();
  }
}
