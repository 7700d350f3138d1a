import assert from "node:assert/strict";
import { connect, type ClientHttp2Session } from "node:http2";
import { after, before, suite, test } from "node:test";

import fc from "fast-check";

import { startIngress, type IngressFixture } from "../testing/ingress-fixture.ts";

let way: IngressFixture;
let domain: string;
let session: ClientHttp2Session;
/** What the server says next, piece by piece. */
let pieces: readonly string[] = [];
const faults: unknown[] = [];
const note = (error: unknown): void => void faults.push(error);

before(async () => {
  way = await startIngress();
  domain = await way.serveRaw((socket) => {
    socket.once("data", () => {
      for (const piece of pieces) socket.write(piece, "latin1");
      socket.end();
    });
  });
  const tls = await way.connect(domain, ["h2"]);
  session = connect(`https://${domain}`, { createConnection: () => tls });
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
});
after(async () => {
  process.off("uncaughtException", note);
  process.off("unhandledRejection", note);
  session.destroy();
  await way[Symbol.asyncDispose]();
});

/** The status of an answer over HTTP/2; null when it was cut off. */
async function statusOverHttp2(): Promise<number | null> {
  const { promise, resolve } = Promise.withResolvers<number | null>();
  const stream = session.request({ ":path": "/" });
  let status: number | null = null;
  stream.on("response", (head) => (status = head[":status"] ?? null));
  stream.on("error", () => resolve(null));
  stream.on("close", () => resolve(status));
  stream.resume();
  return await promise;
}

/** The same over HTTP/1. */
async function statusOverHttp1(): Promise<number | null> {
  return await way.ask(domain).then(
    (got) => got.status,
    () => null,
  );
}

const word = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom(
    "HTTP/1.1 ",
    "200",
    "101",
    "103",
    "204",
    "000",
    "999",
    " OK",
    "\r\n",
    "\n",
    "\r",
    ": ",
  ),
  fc.constantFrom(
    "content-length",
    "transfer-encoding",
    "chunked",
    "connection",
    "upgrade",
    "link",
  ),
  fc.constantFrom("5\r\nhello\r\n", "0\r\n\r\n", "ffffffffffffffff\r\n", "-1", "\0", "\u00ff", ","),
);
const line = fc.array(word, { maxLength: 6 }).map((words) => words.join(""));
const header = fc.tuple(
  fc.constantFrom(
    "content-length",
    "transfer-encoding",
    "connection",
    "x",
    "set-cookie",
    "__proto__",
    "trailer",
  ),
  fc.oneof(fc.constantFrom("0", "5", "chunked", "close", "upgrade", "gzip, chunked", "a=b"), word),
);
const answer = fc
  .tuple(
    fc.oneof(
      fc.constantFrom("HTTP/1.1 200 OK", "HTTP/1.1 304 x", "HTTP/1.0 200", "HTTP/1.1 103 e"),
      line,
    ),
    fc.array(header, { maxLength: 5 }),
    fc.array(line, { maxLength: 4 }),
  )
  .map(([status, headers, body]) => [
    `${status}\r\n`,
    ...headers.map(([name, value]) => `${name}: ${value}\r\n`),
    "\r\n",
    ...body,
  ]);

suite("whatever bytes a server answers with", () => {
  test("the client gets an answer or is cut off, and nothing else happens", async () => {
    await fc.assert(
      fc.asyncProperty(answer, async (given) => {
        pieces = given;
        for (const status of await Promise.all([statusOverHttp1(), statusOverHttp2()])) {
          if (status !== null) assert.ok(status >= 200 && status <= 999, `${status}`);
        }
        assert.deepEqual(faults, []);
      }),
      { numRuns: 300, endOnFailure: true },
    );
    pieces = ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"];
    assert.equal((await way.ask(domain)).body, "ok");
    assert.equal(await statusOverHttp2(), 200);
  });
});
