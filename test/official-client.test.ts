import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { paths, sandboxMethods } from "@skerry/protocol";

const client = dirname(fileURLToPath(import.meta.resolve("@deno/sandbox")));

/** What of the official client's REST this server has not, by the work that will bring it. */
const later: Readonly<Record<string, RegExp>> = {
  "apps, layers, volumes, snapshots and revisions":
    /^\/api\/v2\/(apps|layers|volumes|snapshots|revisions|timelines)(\/|$)/,
  "deploying to an app": /^\/api\/v2\/sandboxes\/\$\{[^}]*\}\/deploy$/,
};

suite("the official JavaScript client", () => {
  test("calls no method that is not here", async () => {
    const { sandboxServiceSchema } = (await import(pathToFileURL(`${client}/schema.js`).href)) as {
      readonly sandboxServiceSchema: object;
    };
    const names = Object.keys(sandboxServiceSchema);
    assert.ok(names.length > 50);
    const unknown = names.filter((name) => !(name in sandboxMethods));
    assert.deepEqual(unknown, []);
  });

  test("asks for no path that is neither here nor known to come later", () => {
    const sources = globSync(`${client}/*.js`).map((file) => readFileSync(file, "utf8"));
    const found = sources.flatMap((text) => [...text.matchAll(/["'`](\/api\/v\d[^"'`\s]*)["'`]/g)]);
    const asked = [...new Set(found.map(([, path = ""]) => path))];
    assert.ok(asked.length > 10);
    const known = Object.values(paths).map((path) => path.replace("{id}", "*"));
    const unknown = asked.filter((path) => {
      const shape = path.replaceAll(/\$\{[^}]*\}/g, "*");
      const isLater = Object.values(later).some((pattern) => pattern.test(path));
      return !known.includes(shape) && !isLater;
    });
    assert.deepEqual(unknown, []);
  });
});
