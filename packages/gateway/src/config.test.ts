import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { ConfigError } from "@skerry/service";

import { readConfig } from "./config.ts";

/** A directory with a token. */
function makeToken(text = "ddo_0\n"): Disposable & { readonly directory: string; file: string } {
  const directory = mkdtempSync(join(tmpdir(), "skerry-gateway-"));
  const file = join(directory, "token");
  writeFileSync(file, text);
  return { directory, file, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

suite("the configuration of a gateway alone", () => {
  test("has defaults for all but where control is, and its token", () => {
    using made = makeToken();
    const args = ["--endpoint", "http://127.0.0.1:8420", "--token-file", made.file];
    assert.deepEqual(readConfig(args, {}), {
      ...{ endpoint: "http://127.0.0.1:8420", token: "ddo_0", host: "127.0.0.1", port: 2222 },
      ...{ publicHost: undefined, hostKeyFile: join(made.directory, "ssh-host-key") },
      ...{ allowsAgent: false, logLevel: "info" },
    });
    const variables = { SKERRY_ENDPOINT: "https://api.example.com" };
    const given = ["--token-file", made.file, "--listen", "[::]:0", "--public-host", "example.com"];
    const { endpoint, host, port, publicHost } = readConfig(given, variables) ?? {};
    assert.deepEqual(
      [endpoint, host, port, publicHost],
      [variables.SKERRY_ENDPOINT, "::", 0, "example.com"],
    );
    assert.equal(readConfig(["--help"], {}), null);
  });

  test("tells of all that is wrong at once", () => {
    using made = makeToken(" \n");
    const args = [
      "--endpoint",
      "x",
      "--token-file",
      made.file,
      "--listen",
      "y",
      "--log-level",
      "z",
    ];
    assert.throws(
      () => readConfig(args, {}),
      (error: unknown) =>
        error instanceof ConfigError &&
        ["--endpoint", "--token-file", "--listen", "--log-level"].every((flag, i) =>
          error.problems[i]?.startsWith(flag),
        ),
    );
  });

  for (const args of [[], ["--nope"], ["--endpoint", "http://a", "--token-file", "/none"]]) {
    test(`${args.join(" ") || "nothing"} is not enough`, () => {
      assert.throws(() => readConfig(args, {}), ConfigError);
    });
  }
});
