import { GuestError, type Guest } from "@skerry/protocol";

const descriptorsMax = 1_024;
const tableBytesMax = 1_048_576;

/**
 * The port that a process of the machine listens on: the smallest, where it listens on more than one.
 *
 * @throws {GuestError} `ENOENT` when there is no such process, `ECONNREFUSED` when it listens on none.
 */
export async function listeningPort(
  guest: Guest,
  pid: number,
  signal: AbortSignal,
): Promise<number> {
  const inodes = await socketsOf(guest, pid, signal);
  const tables = await Promise.all(
    ["tcp", "tcp6"].map((table) => readText(guest, `/proc/${pid}/net/${table}`, signal)),
  );
  const ports = tables.flatMap((table) => listeners(table, inodes));
  if (ports.length > 0) return Math.min(...ports);
  throw new GuestError({ errno: "ECONNREFUSED", message: `Process ${pid} listens on no port` });
}

/** The ports of a table of `/proc/net` on which one of these sockets listens. */
export function listeners(table: string, inodes: ReadonlySet<string>): number[] {
  return table.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    if (state !== "0A" || !inodes.has(inode)) return [];
    const port = Number.parseInt(local.split(":")[1] ?? "", 16);
    return port >= 1 && port <= 65_535 ? [port] : [];
  });
}

async function socketsOf(
  guest: Guest,
  pid: number,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const directory = `/proc/${pid}/fd`;
  const names: string[] = [];
  for await (const entries of await guest.readDirectory(directory, signal)) {
    names.push(...entries.map(({ name }) => name));
    if (names.length >= descriptorsMax) break;
  }
  const links = await Promise.allSettled(
    names.map((name) => guest.call("fs.readLink", { path: `${directory}/${name}` }, signal)),
  );
  return new Set(
    links.flatMap((link) => {
      const text = link.status === "fulfilled" ? link.value : ""; // closed in the meantime
      return /^socket:\[(\d+)\]$/.exec(text)?.[1] ?? [];
    }),
  );
}

async function readText(guest: Guest, path: string, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of await guest.readFile(path, signal)) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > tableBytesMax) break;
  }
  return Buffer.concat(chunks).toString("latin1");
}
