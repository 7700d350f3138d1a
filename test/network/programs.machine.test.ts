import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@skerry/sdk";

import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let sandbox: Sandbox;

before(async () => {
  server = await startServer();
  sandbox = await Sandbox.create({
    ...{ endpoint: server.url, token: server.token },
    allowNet: [
      ...["registry.npmjs.org:443", "pypi.org:443", "files.pythonhosted.org:443"],
      "deb.debian.org",
    ],
  });
});
after(async () => {
  await sandbox.close();
  await server[Symbol.asyncDispose]();
});

const origin = "https://registry.npmjs.org/is-number/latest";

/** Real programs towards the registries that everybody's code is from: their TLS, their resolvers. */
const programs: readonly (readonly [name: string, command: string, expected: RegExp])[] = [
  ["curl", `curl -sS ${origin}`, /"is-number"/],
  ["wget", `wget -qO- ${origin}`, /"is-number"/],
  ["git", `git ls-remote https://registry.npmjs.org/x 2>&1 || true`, /not found/],
  ["node", `node -e 'fetch("${origin}").then((r) => console.log(r.status))'`, /^200$/m],
  ["deno", `deno eval 'console.log((await fetch("${origin}")).status)'`, /^200$/m],
  [
    "python",
    `python3 -c 'import urllib.request as u; print(u.urlopen("https://pypi.org/simple/six/").status)'`,
    /^200$/m,
  ],
  ["npm", "cd $(mktemp -d) && npm install --no-audit is-number@7.0.0", /added 1 package/],
  ["pip", "pip download --no-deps -d /tmp/p six==1.16.0", /Successfully downloaded six/],
  ["apt", "sudo apt-get update", /Reading package lists/],
];

suite("programs in a sandbox with allowNet", { timeout: 400_000 }, () => {
  for (const [name, command, expected] of programs) {
    test(`${name} reaches an allowed origin, and trusts what this host trusts`, async () => {
      const { stdoutText, stderrText } = await sandbox.sh`bash -c ${command}`
        .noThrow()
        .stdout("piped")
        .stderr("piped");
      assert.match(`${stdoutText}${stderrText}`, expected);
    });
  }
});
