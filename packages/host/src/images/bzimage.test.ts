import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";

import { vmlinuxOf } from "./bzimage.ts";
import { fakeKernel } from "./fake-elf.ts";

const kernel = fakeKernel({ note: "Xen" });

test("vmlinuxOf() unpacks a zstd payload wherever the setup header says it is", () => {
  for (const setupSectors of [0, 1, 27]) {
    const image = bzImage(zstdPayload(kernel), { setupSectors, payloadOffset: 640 });
    assert.deepEqual(vmlinuxOf(image), kernel);
  }
});

test("vmlinuxOf() unpacks a gzip payload, whose own trailer is the length", () => {
  assert.deepEqual(vmlinuxOf(bzImage(gzipSync(kernel))), kernel);
});

const refused: Readonly<Record<string, { image: Buffer; because: RegExp }>> = {
  "a file that is no bzImage": { image: Buffer.alloc(4096), because: /not a bzImage/ },
  "a payload outside the file": {
    image: bzImage(zstdPayload(kernel)).subarray(0, 2100),
    because: /lies outside/,
  },
  "a compression it cannot unpack": {
    image: bzImage(Buffer.from("02214c18ffffffffffff", "hex")),
    because: /payload is lz4/,
  },
  "a payload that is no compression at all": {
    image: bzImage(Buffer.from("00112233445566778899", "hex")),
    because: /starts with 001122334455/,
  },
  "a payload that is cut off": {
    image: bzImage(Buffer.concat([zstdPayload(kernel).subarray(0, 20), length(kernel)])),
    because: /does not unpack/,
  },
  "a payload of another length than it says": {
    image: bzImage(Buffer.concat([zstdCompressSync(kernel), length(Buffer.alloc(3))])),
    because: /should to 3/,
  },
  "a kernel without the PVH entry": {
    image: bzImage(zstdPayload(fakeKernel({ note: "GNU" }))),
    because: /no PVH entry/,
  },
};

for (const [what, { image, because }] of Object.entries(refused)) {
  test(`vmlinuxOf() refuses ${what}`, () => {
    assert.throws(() => vmlinuxOf(image), { code: "bad_kernel", message: because });
  });
}

function zstdPayload(content: Buffer): Buffer {
  return Buffer.concat([zstdCompressSync(content), length(content)]);
}

function length(content: Buffer): Buffer {
  const field = Buffer.alloc(4);
  field.writeUInt32LE(content.length);
  return field;
}

/** A kernel image as the boot protocol describes it: setup sectors, then code that holds the payload. */
function bzImage(payload: Buffer, { setupSectors = 3, payloadOffset = 16 } = {}): Buffer {
  const start = ((setupSectors === 0 ? 4 : setupSectors) + 1) * 512;
  const image = Buffer.alloc(start + payloadOffset + payload.length + 100);
  image.writeUInt8(setupSectors, 0x1f1);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt16LE(0x020f, 0x206);
  image.writeUInt32LE(payloadOffset, 0x248);
  image.writeUInt32LE(payload.length, 0x24c);
  payload.copy(image, start + payloadOffset);
  return image;
}
