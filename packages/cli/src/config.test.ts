import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { readConfig } from "./config.ts";

suite("readConfig()", () => {
  test("takes SKERRY_HOME as an absolute path", () => {
    assert.equal(readConfig({ SKERRY_HOME: "/srv/s" }, false).home, "/srv/s");
    assert.match(readConfig({ SKERRY_HOME: "rel" }, false).home, /^\/.*\/rel$/);
  });

  test("has a home for root and one for everybody else", () => {
    assert.equal(readConfig({}, true).home, "/var/lib/skerry");
    assert.match(readConfig({ SKERRY_HOME: "" }, false).home, /\.local\/share\/skerry$/);
  });

  test("reads the rest, and takes what is empty as not set", () => {
    const config = readConfig({ SANDBOX_ID: "", NO_COLOR: "1", PATH: "/a::/b" }, true);
    assert.equal(config.sandboxId, undefined);
    assert.equal(config.noColor, true);
    assert.deepEqual(config.path, ["/a", "/b"]);
  });
});
