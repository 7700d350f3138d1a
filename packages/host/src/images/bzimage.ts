import { gunzipSync, zstdDecompressSync } from "node:zlib";

import { hasPvhEntry } from "./elf.ts";
import { ImageError } from "./errors.ts";

// Offsets in the setup header: Linux, Documentation/arch/x86/boot.rst.
const setupSectorsAt = 0x1f1;
const magicAt = 0x202;
const versionAt = 0x206;
const payloadOffsetAt = 0x248;
const payloadLengthAt = 0x24c;
const sectorBytes = 512;
/** The decompressed length, which the build appends to the payload. */
const lengthFieldBytes = 4;
const payloadVersion = 0x0208;

const compressions = [
  { name: "zstd", magic: "28b52ffd" },
  { name: "gzip", magic: "1f8b" },
  { name: "xz", magic: "fd377a585a00" },
  { name: "lz4", magic: "02214c18" },
  { name: "lzma", magic: "5d0000" },
  { name: "bzip2", magic: "425a68" },
  { name: "lzo", magic: "894c5a4f" },
] as const;

/**
 * The kernel proper, an ELF file that QEMU starts through its PVH entry, out of a bzImage: booting it
 * saves the guest the time of unpacking itself.
 * @throws ImageError `bad_kernel`
 */
export function vmlinuxOf(bzImage: Buffer): Buffer {
  const payload = payloadOf(bzImage);
  const vmlinux = decompress(payload);
  if (!hasPvhEntry(vmlinux)) {
    throw bad("it has no PVH entry (CONFIG_PVH)");
  }
  return vmlinux;
}

function payloadOf(bzImage: Buffer): Buffer {
  if (
    bzImage.length < payloadLengthAt + 4 ||
    bzImage.toString("latin1", magicAt, magicAt + 4) !== "HdrS"
  ) {
    throw bad("it is not a bzImage");
  }
  if (bzImage.readUInt16LE(versionAt) < payloadVersion) {
    throw bad("its boot protocol is older than 2.08");
  }
  // Zero means four, says the boot protocol.
  const setupSectors = bzImage[setupSectorsAt] === 0 ? 4 : (bzImage[setupSectorsAt] ?? 4);
  const start = (setupSectors + 1) * sectorBytes + bzImage.readUInt32LE(payloadOffsetAt);
  const length = bzImage.readUInt32LE(payloadLengthAt);
  if (length <= lengthFieldBytes || start + length > bzImage.length) {
    throw bad("its payload lies outside the file");
  }
  return bzImage.subarray(start, start + length);
}

function decompress(payload: Buffer): Buffer {
  const found = compressions.find(
    ({ magic }) => payload.toString("hex", 0, magic.length / 2) === magic,
  );
  const body = payload.subarray(0, payload.length - lengthFieldBytes);
  const lengthBytes = payload.readUInt32LE(payload.length - lengthFieldBytes);
  try {
    switch (found?.name) {
      case "zstd":
        return sized(zstdDecompressSync(body), lengthBytes);
      case "gzip":
        // The length at the end of the payload is gzip's own.
        return sized(gunzipSync(payload), lengthBytes);
      case "xz":
      case "lz4":
      case "lzma":
      case "bzip2":
      case "lzo":
        throw bad(`its payload is ${found.name}, and only zstd and gzip are understood`);
      case undefined:
        throw bad(`its payload starts with ${payload.toString("hex", 0, 6)}, no known compression`);
    }
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw bad("its payload does not unpack", cause);
  }
}

function sized(vmlinux: Buffer, lengthBytes: number): Buffer {
  if (vmlinux.length !== lengthBytes) {
    throw bad(`its payload unpacks to ${vmlinux.length} bytes and should to ${lengthBytes}`);
  }
  return vmlinux;
}

function bad(why: string, cause?: unknown): ImageError {
  const message = `the kernel cannot be booted directly: ${why}; choose another kernel package`;
  return new ImageError("bad_kernel", message, { cause });
}
