import { Sandbox as OfficialSandbox } from "@deno/sandbox";
import { Sandbox } from "@skerry/sdk";

import { useServer } from "../../test/support/official.ts";
import { startServer } from "../../test/support/server.ts";
import { row, type Row, times } from "./stats.ts";

const bytes = 32 * 1_048_576;
const runs = 4;

/** MB/s (10⁶ bytes) to and from files and of stdout: bytes as they are, and as base64 with both clients. */
export async function throughput(): Promise<Row[]> {
  await using server = await startServer({ pool: 0 });
  useServer(server);
  const rows: Row[] = [];
  const skerry = { endpoint: server.url, token: server.token };
  for (const [name, make] of [
    ["@skerry/sdk, binary", () => Sandbox.create(skerry)],
    ["@skerry/sdk, base64", () => Sandbox.create({ ...skerry, encoding: "json" })],
    ["official client", () => OfficialSandbox.create()],
  ] as const) {
    await using sandbox = await make();
    const content = new Uint8Array(bytes).fill(7);
    const stream = (): ReadableStream<Uint8Array> =>
      ReadableStream.from(
        (function* () {
          for (let at = 0; at < bytes; at += 65_536) yield content.slice(at, at + 65_536);
        })(),
      );
    const drain = async (command: string, args: string[]): Promise<void> => {
      const child = await sandbox.spawn(command, { args, stdout: "piped", stderr: "null" });
      if (child.stdout !== null) for await (const _ of child.stdout);
      await child.status;
    };
    const rate = async (what: string, work: () => Promise<unknown>): Promise<void> => {
      const ms = await times(runs, work, 1);
      rows.push(
        row(
          `${name}: ${what}`,
          "MB/s",
          ms.map((each) => bytes / 1_000 / each),
        ),
      );
    };
    await rate("bytes to a file", () => sandbox.fs.writeFile("f", content));
    await rate("a stream to a file", () => sandbox.fs.writeFile("f", stream()));
    await rate("a file in one piece", () => sandbox.fs.readFile("f"));
    await rate("a file through cat", () => drain("cat", ["f"]));
    await rate("stdout of zeros", () => drain("head", ["-c", String(bytes), "/dev/zero"]));
  }
  return rows;
}
