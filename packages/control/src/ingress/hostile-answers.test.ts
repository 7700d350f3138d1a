import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import fc from "fast-check";

import { startIngress, type IngressFixture } from "../testing/ingress-fixture.ts";

let way: IngressFixture;
let domain: string;
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
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
});
after(async () => {
  process.off("uncaughtException", note);
  process.off("unhandledRejection", note);
  await way[Symbol.asyncDispose]();
});

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
        const status = await way.ask(domain).then(
          (got) => got.status,
          () => null,
        );
        if (status !== null) assert.ok(status >= 100 && status <= 999, `${status}`);
        assert.deepEqual(faults, []);
      }),
      { numRuns: 300, endOnFailure: true },
    );
    pieces = ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"];
    assert.equal((await way.ask(domain)).body, "ok");
  });
});
