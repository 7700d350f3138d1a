/** One entry of an archive. Everything belongs to root. */
export type CpioEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly data: Buffer }
  | {
      readonly kind: "character";
      readonly path: string;
      readonly mode: number;
      readonly device: readonly [major: number, minor: number];
    };

const typeBits = { directory: 0o040000, file: 0o100000, character: 0o020000 } as const;

/**
 * A cpio archive in the "newc" format, which is what the kernel unpacks as its first root. Paths have no
 * leading slash; a directory comes before what is in it. Equal entries give equal bytes.
 */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const chunks = entries.flatMap((entry, index) => {
    const data = entry.kind === "file" ? entry.data : Buffer.alloc(0);
    const [major, minor] = entry.kind === "character" ? entry.device : [0, 0];
    const mode = typeBits[entry.kind] | entry.mode;
    return record({ inode: index + 1, path: entry.path, mode, data, major, minor });
  });
  const end = { inode: 0, path: "TRAILER!!!", mode: 0, data: Buffer.alloc(0), major: 0, minor: 0 };
  return Buffer.concat([...chunks, ...record(end)]);
}

interface Record {
  readonly inode: number;
  readonly path: string;
  readonly mode: number;
  readonly data: Buffer;
  readonly major: number;
  readonly minor: number;
}

function record({ inode, path, mode, data, major, minor }: Record): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const owner = [0, 0] as const;
  const links = 1;
  const modified = 0;
  const device = [0, 0] as const;
  const fields = [inode, mode, ...owner, links, modified, data.length, ...device, major, minor];
  const header = [...fields, name.length, 0].map((field) => field.toString(16).padStart(8, "0"));
  const head = Buffer.concat([Buffer.from(`070701${header.join("")}`), name]);
  return [head, padding(head.length), data, padding(data.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
