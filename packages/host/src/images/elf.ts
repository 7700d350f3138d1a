const headerBytes = 64;
const programHeaderBytes = 56;
const typeInterpreter = 3;
const typeNote = 4;
const machineX64 = 62;
const pvhNoteType = 18;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly fileBytes: number;
}

/** Whether this is an ELF program for x86_64 that needs no interpreter: one that can be PID 1. */
export function isStaticProgram(file: Buffer): boolean {
  const segments = segmentsOf(file);
  return segments !== null && !segments.some(({ type }) => type === typeInterpreter);
}

/** Whether this is an ELF kernel with the Xen note that PVH boot starts from. */
export function hasPvhEntry(file: Buffer): boolean {
  return (segmentsOf(file) ?? [])
    .filter(({ type }) => type === typeNote)
    .some(({ offset, fileBytes }) =>
      hasNote(file.subarray(offset, offset + fileBytes), "Xen\0", pvhNoteType),
    );
}

/** Program headers of a 64-bit little-endian x86_64 file; null when it is anything else. */
function segmentsOf(file: Buffer): readonly Segment[] | null {
  const isElf64 = file.length >= headerBytes && file.toString("hex", 0, 6) === "7f454c460201";
  if (!isElf64 || file.readUInt16LE(18) !== machineX64) return null;
  const table = Number(file.readBigUInt64LE(32));
  const entryBytes = file.readUInt16LE(54);
  const count = file.readUInt16LE(56);
  if (entryBytes < programHeaderBytes || table + count * entryBytes > file.length) return null;
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * entryBytes;
    return {
      type: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 8)),
      fileBytes: Number(file.readBigUInt64LE(at + 32)),
    };
  });
}

function hasNote(notes: Buffer, owner: string, type: number): boolean {
  let at = 0;
  while (at + 12 <= notes.length) {
    const ownerBytes = notes.readUInt32LE(at);
    const valueBytes = notes.readUInt32LE(at + 4);
    const isOwner = notes.toString("latin1", at + 12, at + 12 + ownerBytes) === owner;
    if (isOwner && notes.readUInt32LE(at + 8) === type) return true;
    at += 12 + aligned(ownerBytes) + aligned(valueBytes);
  }
  return false;
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4;
}
