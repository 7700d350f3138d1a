import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { createReadStream, createWriteStream, rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, suite, test } from "node:test";

import { resetPeak, residentPeakMiB } from "../support/machines.ts";
import { type TestServer } from "../support/server.ts";
import { startSshSandbox } from "../support/ssh-sandbox.ts";
import { program } from "../support/ssh.ts";

const gibibyte = 1024 ** 3;
const pieceBytes = 4 * 1024 * 1024;

const held = new AsyncDisposableStack();
let server: TestServer;
let config: string;
let directory: string;

before(async () => {
  ({ server, config, directory } = held.use(await startSshSandbox()));
});
after(() => held.disposeAsync());

/** Bytes that are the same every time and do not repeat: a key stream. */
function* content(): Generator<Buffer, void, undefined> {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, 7), Buffer.alloc(16));
  const zeros = Buffer.alloc(pieceBytes);
  for (let sent = 0; sent < gibibyte; sent += pieceBytes) yield cipher.update(zeros);
}

async function digestOf(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

suite("a file of 1 GiB over ssh", { timeout: 1_100_000 }, () => {
  test("goes in and comes back byte for byte, and the gateway's memory stays bounded", async () => {
    const [sent, back] = [join(directory, "sent"), join(directory, "back")];
    await pipeline(Readable.from(content()), createWriteStream(sent));
    const pid = server.process.pid ?? 0;
    resetPeak(pid);
    const before = residentPeakMiB(pid);
    const up = await program("scp", ["-F", config, sent, "box:great"]);
    assert.deepEqual([up.code, up.stderr], [0, ""]);
    rmSync(sent);
    const down = await program("scp", ["-F", config, "box:great", back]);
    assert.deepEqual([down.code, down.stderr], [0, ""]);
    assert.equal(await digestOf(createReadStream(back)), await digestOf(content()));
    const grown = residentPeakMiB(pid) - before;
    assert.ok(grown < 256, `${grown} MiB more than ${before}`);
  });
});
