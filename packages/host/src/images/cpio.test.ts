import assert from "node:assert/strict";
import { test } from "node:test";

import { array, constantFrom, property, record, uint8Array, assert as holds } from "fast-check";

import { cpio, type CpioEntry } from "./cpio.ts";

test("cpio() writes the newc header the kernel reads", () => {
  const data = Buffer.from("hello");
  const archive = cpio([{ kind: "file", path: "init", mode: 0o755, data }]);
  assert.equal(
    archive.toString("latin1", 0, 124),
    "070701" +
      "00000001" + // inode
      "000081ed" + // regular file, 0755
      "0000000000000000" + // root, root
      "00000001" + // links
      "00000000" + // modified
      "00000005" + // bytes
      "0000000000000000" + // device
      "0000000000000000" + // device it is
      "00000005" + // bytes of the name
      "00000000" +
      "init\0\0" +
      "hello\0\0\0",
  );
});

test("cpio() ends with the trailer", () => {
  assert.match(cpio([]).toString("latin1"), /^070701.*TRAILER!!!\0+$/s);
});

test("cpio() says which device a device is", () => {
  const [entry] = parse(
    cpio([{ kind: "character", path: "dev/console", mode: 0o600, device: [5, 1] }]),
  );
  assert.deepEqual(entry, { path: "dev/console", mode: 0o020600, major: 5, minor: 1, data: "" });
});

test("whatever the names and contents, each entry starts on four bytes and reads back", () => {
  const entries = array(
    record({ path: constantFrom("a", "ab", "abc", "abcd/e"), data: uint8Array() }),
  );
  holds(
    property(entries, (given) => {
      const files: CpioEntry[] = given.map(({ path, data }) => {
        return { kind: "file", path, mode: 0o644, data: Buffer.from(data) };
      });
      const read = parse(cpio(files));
      assert.deepEqual(
        read.map(({ path, data }) => ({ path, data })),
        given.map(({ path, data }) => ({ path, data: Buffer.from(data).toString("hex") })),
      );
    }),
  );
});

interface Parsed {
  readonly path: string;
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
  /** Hex. */
  readonly data: string;
}

function parse(archive: Buffer): readonly Parsed[] {
  const found: Parsed[] = [];
  let at = 0;
  const align = (position: number): number => Math.ceil(position / 4) * 4;
  for (;;) {
    const field = (index: number): number => {
      const start = at + 6 + index * 8;
      return Number.parseInt(archive.toString("latin1", start, start + 8), 16);
    };
    assert.equal(archive.toString("latin1", at, at + 6), "070701");
    const nameEnd = at + 110 + field(11);
    const path = archive.toString("utf8", at + 110, nameEnd - 1);
    if (path === "TRAILER!!!") return found;
    const start = align(nameEnd);
    const data = archive.toString("hex", start, start + field(6));
    found.push({ path, mode: field(1), major: field(9), minor: field(10), data });
    at = align(start + field(6));
  }
}
