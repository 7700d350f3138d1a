import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { property, uint8Array, assert as holds } from "fast-check";

import { hasPvhEntry, isStaticProgram } from "./elf.ts";
import { fakeElf, fakeKernel } from "./fake-elf.ts";

test("isStaticProgram() tells a static program from one that needs an interpreter", () => {
  assert.equal(isStaticProgram(fakeElf({ segmentType: 1, body: Buffer.alloc(8) })), true);
  assert.equal(
    isStaticProgram(fakeElf({ segmentType: 3, body: Buffer.from("/lib/ld.so\0") })),
    false,
  );
  assert.equal(isStaticProgram(readFileSync("/bin/sh")), false);
});

test("isStaticProgram() says no to what is no ELF program", () => {
  assert.equal(isStaticProgram(Buffer.from("#!/bin/sh\n")), false);
});

test("hasPvhEntry() finds the Xen note and no other", () => {
  assert.equal(hasPvhEntry(fakeKernel({ note: "Xen" })), true);
  assert.equal(hasPvhEntry(fakeKernel({ note: "GNU" })), false);
});

test("a damaged file is an answer, never an exception", () => {
  const kernel = fakeKernel({ note: "Xen" });
  holds(
    property(uint8Array({ maxLength: kernel.length }), (noise) => {
      const damaged = Buffer.from(kernel);
      damaged.set(noise.subarray(0, kernel.length - 6), 6);
      assert.equal(typeof hasPvhEntry(damaged), "boolean");
      assert.equal(typeof isStaticProgram(damaged), "boolean");
    }),
  );
});
