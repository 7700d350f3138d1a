import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from "node:net";
import { suite, test } from "node:test";
import { connect } from "node:tls";

import fc from "fast-check";

import { readOpening } from "./client-hello.ts";

/** What a real client sends first. */
async function helloOf(servername: string | undefined, protocols: string[]): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({
    socket: connectTcp(port, "127.0.0.1"),
    ...(servername !== undefined && { servername }),
    ...(protocols.length > 0 && { ALPNProtocols: protocols }),
  });
  client.on("error", () => {});
  try {
    const [socket] = (await once(server, "connection")) as [Socket];
    const [bytes] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    return bytes;
  } finally {
    client.destroy();
    server.close();
  }
}

const hello = await helloOf("api.example.com", ["h2", "http/1.1"]);

suite("the first bytes of a connection", () => {
  test("name the server and the protocols", async () => {
    const protocols = ["h2", "http/1.1"];
    assert.deepEqual(readOpening(hello), { kind: "tls", serverName: "api.example.com", protocols });
    const bare = await helloOf(undefined, []);
    assert.deepEqual(readOpening(bare), { kind: "tls", serverName: null, protocols: [] });
  });

  test("are not enough before the message is whole", () => {
    for (let length = 0; length < hello.length; length += 1) {
      assert.deepEqual(readOpening(hello.subarray(0, length)), { kind: "incomplete" }, `${length}`);
    }
  });

  test("may be spread over records", () => {
    const message = hello.subarray(5);
    for (const size of [1, 3, 4, 5, 100]) {
      const records: Buffer[] = [];
      for (let at = 0; at < message.length; at += size) {
        const part = message.subarray(at, at + size);
        records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
      }
      assert.deepEqual(readOpening(Buffer.concat(records)), readOpening(hello), `${size}`);
    }
  });

  for (const [what, bytes] of [
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["ssh", Buffer.from("SSH-2.0-x\r\n")],
    ["TLS that begins with an alert", Buffer.from([21, 3, 1, 0, 2, 1, 0])],
    ["a ServerHello", Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ["an empty record", Buffer.from([22, 3, 1, 0, 0])],
    ["a record that is too long", Buffer.from([22, 3, 1, 255, 255])],
    ["lengths that lead nowhere", Buffer.from([22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3])],
  ] as const) {
    test(`are something else when they are ${what}`, () => {
      assert.deepEqual(readOpening(bytes), { kind: "other" });
    });
  }

  test("never make the reader fail, whatever they are", () => {
    const change = fc.tuple(fc.nat(hello.length - 1), fc.integer({ min: 0, max: 255 }));
    const changed = fc.array(change, { minLength: 1, maxLength: 20 }).map((changes) => {
      const bytes = Buffer.from(hello);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 2_000 }), changed), (bytes) => {
        const { kind } = readOpening(bytes);
        assert.ok(["tls", "other", "incomplete"].includes(kind));
      }),
      { numRuns: 5_000 },
    );
  });
});
