import assert from "node:assert/strict";
import { test } from "node:test";

import { installPackages, missingPackages } from "./debian.ts";

test("missingPackages() names what neither a program nor a file shows", async () => {
  const missing = await missingPackages([
    { package: "dash", shows: "sh" },
    { package: "base-files", shows: "/etc/os-release" },
    { package: "no-program", shows: "no-such-program" },
    { package: "no-file", shows: "/no/such/file" },
  ]);
  assert.deepEqual(missing, ["no-program", "no-file"]);
});

test("installPackages() does nothing, and says nothing, when nothing is missing", async () => {
  const progress = (): void => assert.fail("there is nothing to say");
  const { signal } = new AbortController();
  await installPackages([], { step: "Debian packages", progress, signal });
});
