import assert from "node:assert/strict";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { defaultHome } from "./home.ts";

test("defaultHome() is SKERRY_HOME, else where root or the user keeps state", () => {
  const own = join(homedir(), ".local/share/skerry");
  const rows: readonly [Record<string, string>, boolean, string][] = [
    [{ SKERRY_HOME: "/srv/skerry" }, true, "/srv/skerry"],
    [{ SKERRY_HOME: "here" }, false, join(process.cwd(), "here")],
    [{ SKERRY_HOME: "" }, true, "/var/lib/skerry"],
    [{}, true, "/var/lib/skerry"],
    [{}, false, own],
  ];
  for (const [environment, isRoot, home] of rows) {
    assert.equal(defaultHome(environment, isRoot), home);
  }
});
