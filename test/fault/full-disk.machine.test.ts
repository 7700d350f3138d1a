import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { eventually } from "../support/eventually.ts";
import { holdingsOf } from "../support/holdings.ts";
import { prepared } from "../support/machine-home.ts";
import { useServer } from "../support/official.ts";
import { RawClient, Refused } from "../support/raw-client.ts";
import { startServer } from "../support/server.ts";

/** A home on a file system of its own, so that it can be full while the host's is not. */
function homeOfSize(mib: number): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "skerry-full-"));
  execFileSync("mount", [
    "-t",
    "tmpfs",
    "-o",
    `size=${mib}m,nr_inodes=3000,mode=700`,
    "skerry-test",
    path,
  ]);
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync("umount", [path]);
      rmSync(path, { recursive: true });
    },
  };
}

suite("a host whose disk is full", { timeout: 400_000 }, () => {
  test("refuses to create with HOST_DISK_FULL, leaves nothing, and recovers", async () => {
    using home = homeOfSize(2_048);
    const acceleration = join(prepared().home, "acceleration.json");
    if (existsSync(acceleration)) cpSync(acceleration, join(home.path, "acceleration.json"));
    await using server = await startServer({ home });
    useServer(server);
    const first = await RawClient.create(server, { memory_mb: 768 });
    first.socket.terminate();
    await first.closed;
    const machines = (): string[] =>
      holdingsOf(home.path).filter((held) => /^process|\/machines\//.test(held));
    await eventually(
      "the first machine and the template's are gone",
      () => machines().length === 0,
    );

    const { bavail, bsize } = statfsSync(home.path);
    const leftBytes = 200 * 1_048_576; // too little for the snapshot of a new template
    writeFileSync(join(home.path, "fill"), Buffer.alloc(bavail * bsize - leftBytes));
    await assert.rejects(RawClient.create(server), (error) => {
      return (
        error instanceof Refused && error.status === 507 && error.body.code === "HOST_DISK_FULL"
      );
    });
    assert.deepEqual(machines(), []);
    rmSync(join(home.path, "fill"));

    // Room for bytes, but for no file: the first step of a machine is what fails.
    const crowd = join(home.path, "crowd");
    mkdirSync(crowd);
    assert.throws(
      () => {
        for (let i = 0; ; i += 1) writeFileSync(join(crowd, String(i)), "");
      },
      { code: "ENOSPC" },
    );
    await assert.rejects(RawClient.create(server, { memory_mb: 768 }), (error) => {
      return error instanceof Refused && error.body.code === "HOST_DISK_FULL";
    });
    assert.deepEqual(machines(), []);
    rmSync(crowd, { recursive: true });
    const again = await RawClient.create(server, { memory_mb: 768 });
    again.socket.terminate();
    await again.closed;
  });
});
