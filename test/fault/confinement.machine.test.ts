import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { after, before, suite, test } from "node:test";

import { Sandbox } from "@deno/sandbox";

import { machineProcesses } from "../support/machines.ts";
import { useServer } from "../support/official.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let sandboxes: Sandbox[];
let pids: number[];

before(async () => {
  server = await startServer();
  useServer(server);
  sandboxes = await Promise.all([Sandbox.create(), Sandbox.create()]);
  const processes = machineProcesses(server.home);
  pids = sandboxes.map(({ id }) => processes.get(id) ?? 0);
});
after(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
  await server[Symbol.asyncDispose]();
});

/** A line of `/proc/<pid>/status`. */
function status(pid: number, name: string): string {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(text)?.[1] ?? "";
}

suite("the process of a machine", { timeout: 400_000 }, () => {
  test("runs as a user of its own, with no group, and no two share one", () => {
    const users = pids.map((pid) => new Set(status(pid, "Uid").split(/\s+/)));
    for (const ids of users) {
      assert.equal(ids.size, 1);
      assert.ok(Number([...ids][0]) >= 1_879_048_192);
    }
    assert.equal(new Set(users.map((ids) => [...ids][0])).size, users.length);
    for (const pid of pids) assert.equal(status(pid, "Groups").trim(), "");
  });

  test("has no capability and cannot gain one, and is under a seccomp filter", () => {
    for (const pid of pids) {
      for (const kind of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
        assert.match(status(pid, kind), /^0+$/, kind);
      }
      assert.equal(status(pid, "NoNewPrivs"), "1");
      assert.equal(status(pid, "Seccomp"), "2");
    }
  });

  test("has namespaces of its own for mounts, network, IPC and host names", () => {
    for (const kind of ["mnt", "net", "ipc", "uts"]) {
      const all = [process.pid, ...pids].map((pid) => readlinkSync(`/proc/${pid}/ns/${kind}`));
      assert.equal(new Set(all).size, all.length, kind);
    }
  });

  test("sees its own files and what QEMU needs, and nothing else", () => {
    for (const pid of pids) {
      const root = `/proc/${pid}/root`;
      assert.deepEqual(readdirSync(root).toSorted(), [
        ...["dev", "image", "lib", "lib64", "machine", "template", "usr"],
      ]);
      assert.deepEqual(readdirSync(`${root}/machine`), ["disk.qcow2"]);
      assert.deepEqual(readdirSync(`${root}/dev`).toSorted(), ["null", "urandom"]);
      assert.deepEqual(readdirSync(`${root}/usr/bin`), ["qemu-system-x86_64"]);
      assert.deepEqual(readdirSync(`${root}/image`).toSorted(), [
        ...["disk.raw", "editor.erofs", "root.erofs", "runtime.erofs"],
      ]);
    }
  });

  test("may write to its disk and to nothing else that is on disk but the template's memory", () => {
    for (const pid of pids) {
      const mounts = readFileSync(`/proc/${pid}/mounts`, "utf8").trim().split("\n");
      const writable = mounts
        .map((line) => line.split(" "))
        .filter(([, , , options = ""]) => options.split(",")[0] === "rw")
        .map(([, target = ""]) => target);
      assert.deepEqual(writable.toSorted(), ["/machine/disk.qcow2", "/template/ram"]);
    }
  });

  test("holds no file of the host's but its own", () => {
    for (const pid of pids) {
      const open = readdirSync(`/proc/${pid}/fd`).map((fd) =>
        readlinkSync(`/proc/${pid}/fd/${fd}`),
      );
      const paths = open.filter((path) => path.startsWith("/"));
      const known =
        /^\/(machine|image|template|dev\/null|dev\/urandom|dev\/net\/tun$)|\/(qemu\.log|templates\/[0-9a-f]+\/state)$/;
      assert.deepEqual(
        paths.filter((path) => !known.test(path)),
        [],
      );
    }
  });

  test("is limited in memory, processes and processor time", () => {
    for (const pid of pids) {
      const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
      const ours = groups.split("\n").filter((line) => line.includes("/skerry/skerry-machine-"));
      assert.ok(ours.length > 0, groups);
    }
  });
});
