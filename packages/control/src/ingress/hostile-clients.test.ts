import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";

import fc from "fast-check";

import { startIngress, type IngressFixture } from "../testing/ingress-fixture.ts";

let way: IngressFixture;
let domain: string;
const faults: unknown[] = [];
const note = (error: unknown): void => void faults.push(error);

before(async () => {
  way = await startIngress();
  domain = await way.serve((_request, response) => response.end("fine"));
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
});
after(async () => {
  process.off("uncaughtException", note);
  process.off("unhandledRejection", note);
  await way[Symbol.asyncDispose]();
});

/** Sends bytes, says that there are no more, and waits until the connection is over. */
async function send(protocol: "h2" | "http/1.1", bytes: Uint8Array): Promise<void> {
  const socket = await way.connect(domain, [protocol]);
  socket.on("error", () => {});
  const closed = once(socket.resume(), "close").catch(() => {}); // ended or reset
  const whole = Buffer.from(bytes).toString("latin1").replace("host: x", `host: ${domain}`);
  socket.end(whole, "latin1");
  await closed;
}

const text = (...parts: fc.Arbitrary<string>[]): fc.Arbitrary<Uint8Array> =>
  fc.tuple(...parts).map((pieces) => Buffer.from(pieces.join(""), "latin1"));
const some = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.constantFrom("\r\n", "\n", "\0", ": ", " ", ",", "\u00ff", "content-length: 5\r\n"),
  fc.constantFrom("transfer-encoding: chunked\r\n", "expect: 100-continue\r\n", "host: x\r\n"),
  fc.constantFrom(
    "upgrade: websocket\r\nconnection: upgrade\r\n",
    "connection: host\r\n",
    "5\r\nhello",
  ),
);
const more = fc.array(some, { maxLength: 8 }).map((pieces) => pieces.join(""));

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** A frame of HTTP/2 with any type, flags, stream and content; the first is what a client must begin with. */
const frame = fc
  .tuple(fc.integer({ min: 0, max: 10 }), fc.nat(255), fc.nat(7), fc.uint8Array({ maxLength: 60 }))
  .map(([type, flags, stream, content]) =>
    Buffer.from([0, 0, content.length, type, flags, 0, 0, 0, stream, ...content]),
  );
const frames = fc
  .array(frame, { maxLength: 8 })
  .map((all) => Buffer.concat([preface, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]), ...all]));

suite("whatever bytes a client sends", () => {
  for (const [name, protocol, bytes] of [
    ["HTTP/1", "http/1.1", fc.oneof(text(more), text(fc.constant("GET / HTTP/1.1\r\n"), more))],
    [
      "HTTP/2",
      "h2",
      fc.oneof({ arbitrary: frames, weight: 3 }, { arbitrary: text(more), weight: 1 }),
    ],
  ] as const) {
    test(`over ${name}, it is answered or cut off, and others are served`, async () => {
      await fc.assert(
        fc.asyncProperty(bytes, async (given) => {
          await send(protocol, given);
          assert.deepEqual(faults, []);
        }),
        { numRuns: 150, endOnFailure: true },
      );
      assert.equal((await way.ask(domain)).body, "fine");
    });
  }
});
