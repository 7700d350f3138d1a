import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { ConfigError } from "@skerry/service";

import { readConfig, readSetup } from "./config.ts";

const read = (args: readonly string[], environment: Record<string, string> = {}, isRoot = true) =>
  readConfig(args, environment, isRoot);

suite("the configuration", () => {
  test("has a default for everything", () => {
    assert.deepEqual(read([]), {
      ...{ home: "/var/lib/skerry", listen: { host: "127.0.0.1", port: 8420 } },
      https: {
        ...{ host: "127.0.0.1", port: 8443, baseDomain: "skerry.localhost" },
        ...{ publicPort: null, certificateFiles: null, acme: null },
      },
      ssh: { host: "127.0.0.1", port: 2_222, publicHost: null, allowsAgent: false },
      ...{
        regions: ["ord", "ams"],
        poolSize: 4,
        sandboxesMax: 64,
        organizationSandboxesMax: 64,
        lifetimeMaxMs: 1_800_000,
      },
      ...{ logLevel: "info", logFile: null, allowedOrigins: [], keepSandboxes: false },
      ...{ nameServers: [], trust: [], exceptions: [] },
    });
    assert.match(read([], {}, false)?.home ?? "", /\/\.local\/share\/skerry$/);
  });

  test("comes from flags, then the environment", () => {
    const environment = { SKERRY_HOME: "/env", SKERRY_POOL: "7", SKERRY_MAX_SANDBOXES: "" };
    const config = read(["--home", "/flag", "--listen", "[::1]:0", "--region", "fra"], environment);
    assert.equal(config?.home, "/flag");
    assert.deepEqual(config?.listen, { host: "::1", port: 0 });
    assert.deepEqual(config?.regions, ["fra"]);
    assert.equal(config?.poolSize, 7);
    assert.equal(config?.sandboxesMax, 64);
    assert.equal(read([], { SKERRY_LOG_LEVEL: "debug" })?.logLevel, "debug");
    assert.equal(read(["--max-lifetime", "24h"])?.lifetimeMaxMs, 86_400_000);
    const origins = ["--allow-origin", "https://a.example", "--allow-origin", "https://b.example"];
    assert.equal(read(origins)?.allowedOrigins.length, 2);
    const servers = ["--name-server", "192.0.2.1:53", "--name-server", "[2001:db8::1]"];
    assert.deepEqual(read(servers)?.nameServers, ["192.0.2.1:53", "[2001:db8::1]"]);
    assert.throws(() => read(["--name-server", "ns.example"]), ConfigError);
    assert.deepEqual(read(["--allow-private", "10.0.0.5:22"])?.exceptions, ["10.0.0.5:22"]);
    for (const wrong of ["10.0.0.5", "10.0.0.0/8:22", "a.example:22", "10.0.0.5:0"]) {
      assert.throws(() => read(["--allow-private", wrong]), ConfigError);
    }
    assert.equal(read(["--keep-sandboxes"])?.keepSandboxes, true);
  });

  test("says how exposed servers are reached", () => {
    const environment = { SKERRY_BASE_DOMAIN: "Boxes.Example", SKERRY_PUBLIC_HTTPS_PORT: "443" };
    const args = ["--https", "0.0.0.0:0", "--tls-cert", "/c", "--tls-key", "/k"];
    assert.deepEqual(read(args, environment)?.https, {
      ...{ host: "0.0.0.0", port: 0, baseDomain: "boxes.example", publicPort: 443 },
      ...{ certificateFiles: { certFile: "/c", keyFile: "/k" }, acme: null },
    });
    const acme = ["--acme", "you@a.example", "--acme-dns", "/dns"];
    assert.deepEqual(read(acme)?.https?.acme, {
      ...{ email: "you@a.example", dnsProgram: "/dns" },
      directoryUrl: "https://acme-v02.api.letsencrypt.org/directory",
    });
    for (const wrong of [
      ["--acme", "you@a.example"],
      ["--acme-dns", "/dns"],
      ["--acme", "nobody", "--acme-dns", "/dns"],
      [...acme, "--acme-directory", "http://a.example/"],
      [...acme, "--tls-cert", "/c", "--tls-key", "/k"],
    ]) {
      assert.throws(() => read(wrong), ConfigError);
    }
    assert.equal(read(["--https", "off"])?.https, null);
    assert.equal(read(["--ssh", "off"])?.ssh, null);
    assert.deepEqual(read(["--ssh", "0.0.0.0:22", "--public-ssh-host", "boxes.example"])?.ssh, {
      ...{ host: "0.0.0.0", port: 22, publicHost: "boxes.example", allowsAgent: false },
    });
    assert.throws(() => read(["--tls-cert", "/c"]), ConfigError);
    assert.throws(() => read(["--base-domain", "no name"]), ConfigError);
  });

  test("is frozen", () => {
    const config = read([]);
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config?.listen));
    assert.ok(Object.isFrozen(config?.regions) && Object.isFrozen(config?.allowedOrigins));
  });

  test("is not there when help is asked for", () => {
    assert.equal(read(["--help"]), null);
  });

  test("tells all its mistakes at once", () => {
    const args = ["--listen", "8420", "--region", "chicago", "--pool", "many"];
    assert.throws(
      () => read([...args, "--log-level", "loud", "--max-lifetime", "0m", "--log-file", ""]),
      (error: ConfigError) => {
        assert.ok(error instanceof ConfigError);
        const named = error.problems.map((problem) => problem.split(":")[0]);
        const expected = ["--listen", "--log-file", "--log-level", "--max-lifetime", "--pool"];
        assert.deepEqual(new Set(named), new Set([...expected, "--region"]));
        return true;
      },
    );
  });

  for (const args of [
    ["--no-such-flag"],
    ["--home"],
    ["extra"],
    ["--listen", "localhost:65536"],
    ["--home", ""],
  ]) {
    test(`refuses ${args.join(" ")}`, () => {
      assert.throws(() => read(args), ConfigError);
    });
  }
});

suite("the set-up of a host", () => {
  test("is read from its home", () => {
    const home = mkdtempSync(join(tmpdir(), "skerry-setup-"));
    try {
      assert.throws(() => readSetup(home), /is not set up/);
      const parts = {
        kernel: "/k",
        initrd: "/i",
        root: "/r",
        runtime: "/t",
        disk: "/d",
        editor: "/e",
      };
      const setup = {
        image: { name: "builtin:debian-13", key: "ab", ...parts },
        launcher: "/l",
        netns: "/n",
        authority: "/a",
      };
      writeFileSync(join(home, "setup.json"), JSON.stringify({ ...setup, guestBinary: "/g" }));
      assert.deepEqual(readSetup(home), setup);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});
