const headerBytes = 64;
const segmentBytes = 56;

/** An ELF file for x86_64 with one note of this owner and the type of the PVH entry. For tests. */
export function fakeKernel({ note }: { readonly note: string }): Buffer {
  const owner = Buffer.from(`${note}\0`);
  const body = Buffer.alloc(12 + Math.ceil(owner.length / 4) * 4 + 8);
  body.writeUInt32LE(owner.length, 0);
  body.writeUInt32LE(8, 4);
  body.writeUInt32LE(18, 8);
  owner.copy(body, 12);
  return fakeElf({ segmentType: 4, body });
}

/** An ELF file for x86_64 with one segment. For tests. */
export function fakeElf({ segmentType, body }: { segmentType: number; body: Buffer }): Buffer {
  const head = Buffer.alloc(headerBytes + segmentBytes);
  head.write("7f454c460201", 0, "hex");
  head.writeUInt16LE(62, 18);
  head.writeBigUInt64LE(BigInt(headerBytes), 32);
  head.writeUInt16LE(segmentBytes, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(segmentType, headerBytes);
  head.writeBigUInt64LE(BigInt(head.length), headerBytes + 8);
  head.writeBigUInt64LE(BigInt(body.length), headerBytes + 32);
  return Buffer.concat([head, body]);
}
