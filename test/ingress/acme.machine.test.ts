import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { connect } from "node:tls";

import { eventually } from "../support/eventually.ts";
import { makeTestHome } from "../support/machine-home.ts";
import { startNameServer, type NameServer } from "../support/name-server.ts";
import { startPebble } from "../support/pebble.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** Who takes the records of the operator's program into the DNS. */
async function startRecords(
  names: NameServer,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    const [what, name = "", value = ""] = new URL(request.url ?? "/", "http://x").pathname
      .slice(1)
      .split("/");
    const others = (names.texts.get(name) ?? []).filter((text) => text !== value);
    names.texts.set(name, what === "add" ? [...others, value] : others);
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

/** Whether a name's certificate is one that this root vouches for; and its serial number. */
async function shownFor(
  server: TestServer,
  servername: string,
  ca: string,
): Promise<string | null> {
  const { port, hostname: host } = new URL(server.ingress?.url ?? "");
  const socket = connect({ port: Number(port), host, servername, ca, rejectUnauthorized: false });
  try {
    await once(socket, "secureConnect");
    return socket.authorized ? socket.getPeerCertificate().serialNumber : null;
  } finally {
    socket.destroy();
  }
}

suite("a server with --acme", { timeout: 400_000 }, () => {
  test("shows a certificate of that authority for every name, and the same after a restart", async () => {
    await using names = await startNameServer();
    await using pebble = await startPebble(names);
    await using records = await startRecords(names);
    using home = makeTestHome(process.env["SKERRY_HOME"]);
    const program = join(home.path, "dns-records");
    writeFileSync(program, `#!/bin/sh\nexec curl -sSf "${records.url}/$1/$2/$3"\n`);
    chmodSync(program, 0o700);
    const options = {
      home,
      args: [
        ...["--base-domain", "boxes.test", "--acme", "you@boxes.test", "--acme-dns", program],
        ...["--acme-directory", pebble.directoryUrl],
      ],
      env: { NODE_EXTRA_CA_CERTS: pebble.caFile },
    };
    let serial: string | null = null;
    {
      await using server = await startServer(options);
      assert.equal(server.ingress?.caFile, null);
      const root = await pebble.root();
      await eventually(
        "the certificate is there",
        async () => (serial = await shownFor(server, "abc.boxes.test", root)) !== null,
        60_000,
      );
      assert.equal(await shownFor(server, "boxes.test", root), serial);
      assert.equal(await shownFor(server, "other.test", root), null);
    }
    assert.deepEqual([...names.texts.values()].flat(), [], "the records are gone");
    const kept = join(home.path, "ingress/acme/certificate.json");
    assert.equal(statSync(kept).mode & 0o777, 0o600);
    assert.match(readFileSync(kept, "utf8"), /BEGIN CERTIFICATE/);
    await using server = await startServer(options);
    assert.equal(await shownFor(server, "abc.boxes.test", await pebble.root()), serial);
  });
});
