import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

import { limits } from "@skerry/protocol";
import type { SshAccess } from "@skerry/sdk";
import ssh2, { type ClientChannel } from "ssh2";

import { newSshKey } from "../support/ssh-key.ts";
import { startSshSandbox } from "../support/ssh-sandbox.ts";
import { program, sshConfig } from "../support/ssh.ts";

const held = new AsyncDisposableStack();
let access: SshAccess;
let directory: string;

before(async () => {
  ({ access, directory } = held.use(await startSshSandbox()));
});
after(() => held.disposeAsync());

async function isServed(): Promise<boolean> {
  const { stdout } = await program("ssh", ["-F", sshConfig(directory, access), "box", "echo in"]);
  return stdout.toString() === "in\n";
}

/** A client that does what OpenSSH's would not. */
async function enter(): Promise<ssh2.Client> {
  const client = new ssh2.Client();
  const { hostname: host, port, username } = access;
  client.connect({ host, port, username });
  await once(client, "ready");
  return client;
}

suite("what the gateway bears", { timeout: 400_000 }, () => {
  test("fifty sessions at once over one connection", async () => {
    const config = sshConfig(directory, access, [
      ...["ControlMaster auto", `ControlPath ${join(directory, "master")}`, "ControlPersist 60"],
    ]);
    await program("ssh", ["-F", config, "box", "true"]);
    const runs = await Promise.all(
      Array.from(
        { length: 50 },
        async (_, n) => await program("ssh", ["-F", config, "box", `echo ${n}`]),
      ),
    );
    assert.deepEqual(
      runs.map(({ stdout }) => stdout.toString()),
      Array.from({ length: 50 }, (_, n) => `${n}\n`),
    );
    await program("ssh", ["-F", config, "-O", "exit", "box"]);
  });

  test("a client that opens channels without end: it gets so many, and others are served", async () => {
    const client = await enter();
    const open = async (): Promise<ClientChannel | null> => {
      const { promise, resolve } = Promise.withResolvers<ClientChannel | null>();
      client.exec("sleep 100", (error, channel) => resolve(error === undefined ? channel : null));
      return await promise;
    };
    const channels = await Promise.all(Array.from({ length: limits.sshChannelsMax + 20 }, open));
    assert.equal(channels.filter((channel) => channel !== null).length, limits.sshChannelsMax);
    assert.ok(await isServed());
    client.end();
    await once(client, "close");
  });

  test("who tries to log in without end is thrown out", async () => {
    const client = new ssh2.Client();
    client.on("error", () => {});
    let tries = 0;
    const { hostname: host, port } = access;
    client.connect({
      ...{ host, port, username: "nobody" },
      authHandler: () => {
        tries += 1;
        return { type: "publickey", username: "nobody", key: newSshKey().privateKey } as never;
      },
    });
    await once(client, "close").catch(() => {}); // with words about why
    assert.ok(tries <= limits.sshLoginTriesMax + 1, `${tries} tries`);
    assert.ok(await isServed());
  });

  test("whatever bytes come, before and after the greeting", async () => {
    const { hostname: host, port } = access;
    for (let round = 0; round < 60; round += 1) {
      const socket = connect(port, host);
      socket.on("error", () => {});
      if (round % 3 !== 0) socket.write("SSH-2.0-client\r\n");
      const noise = randomBytes(1 + ((round * 97) % 3_000));
      // Some pass for packets: a length that may be, then noise.
      if (round % 3 === 2) noise.writeUInt32BE(Math.min(noise.length, 3_000) & ~7, 0);
      socket.end(noise);
      socket.resume();
      await once(socket, "close").catch(() => {}); // ended or reset
    }
    assert.ok(await isServed());
  });
});
