import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import fc from "fast-check";

import { Connection } from "./connection.ts";
import { OperationError } from "./errors.ts";
import { Flow, unreadBytesMax } from "./flow.ts";
import { IncomingStream } from "./incoming-stream.ts";
import { Line } from "./line.ts";
import { OutgoingStream, Upload, writableOf, type OutgoingWire } from "./outgoing-stream.ts";
import { Rpc } from "./rpc.ts";
import { FakeServer } from "./testing/fake-server.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

function incoming(): { stream: IncomingStream; log: string[]; cancels: unknown[] } {
  const log: string[] = [];
  const cancels: unknown[] = [];
  const flow = new Flow({ pause: () => log.push("pause"), resume: () => log.push("resume") });
  const unread = (bytes: number): void => flow.addUnread(bytes);
  return { stream: new IncomingStream(unread, (reason) => cancels.push(reason)), log, cancels };
}

suite("IncomingStream", () => {
  test("gives what is pushed, in order, cut as it comes, and then ends", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 })), async (chunks) => {
        const { stream } = incoming();
        const early = Math.floor(chunks.length / 2);
        for (const chunk of chunks.slice(0, early)) stream.push(new Uint8Array(chunk));
        const read = new Response(stream.readable).bytes();
        for (const chunk of chunks.slice(early)) {
          stream.push(new Uint8Array(chunk));
          await turn();
        }
        stream.end();
        assert.deepEqual(Buffer.from(await read), Buffer.concat(chunks));
      }),
    );
  });

  test("delivers what arrived before it fails", async () => {
    const { stream } = incoming();
    const reader = stream.readable.getReader();
    stream.push(bytes("a"));
    stream.fail(new Error("broken"));
    assert.deepEqual((await reader.read()).value, bytes("a"));
    await assert.rejects(reader.read(), /broken/);
  });

  test("ends a reader that waits with a buffer of its own", async () => {
    const { stream } = incoming();
    const reader = stream.readable.getReader({ mode: "byob" });
    stream.push(bytes("ab"));
    assert.deepEqual((await reader.read(new Uint8Array(1))).value, bytes("a"));
    assert.deepEqual((await reader.read(new Uint8Array(9))).value, bytes("b"));
    const last = reader.read(new Uint8Array(9));
    await turn();
    stream.end();
    assert.equal((await last).done, true);
  });

  test("counts what is not read, and no more what is read or thrown away", async () => {
    const { stream, log, cancels } = incoming();
    stream.push(new Uint8Array(unreadBytesMax));
    stream.push(new Uint8Array(1));
    assert.deepEqual(log, ["pause"]);
    const reader = stream.readable.getReader();
    await reader.read();
    assert.deepEqual(log, ["pause", "resume"]);
    stream.push(new Uint8Array(unreadBytesMax));
    await reader.cancel("enough");
    assert.deepEqual(log, ["pause", "resume", "pause", "resume"]);
    assert.deepEqual(cancels, ["enough"]);
    stream.push(new Uint8Array(2 * unreadBytesMax));
    stream.end();
    assert.equal(log.length, 4);
  });
});

/** A wire that takes one message at a time, when it is told to. */
function slowWire(): { wire: OutgoingWire; sent: string[]; takeOne: () => void } {
  const sent: string[] = [];
  let taken = Promise.withResolvers<void>();
  return {
    sent,
    takeOne: () => {
      const { resolve } = taken;
      taken = Promise.withResolvers();
      resolve();
    },
    wire: {
      enqueue: (_id, chunk) => {
        sent.push(`bytes ${chunk.byteLength}`);
        return taken.promise;
      },
      end: () => sent.push("end"),
      error: (_id, error) => sent.push(`error ${String(error)}`),
    },
  };
}

suite("OutgoingStream", () => {
  test("an upload takes from its source only what the wire takes", async () => {
    const { wire, sent, takeOne } = slowWire();
    let asked = 0;
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (; asked < 3; asked++) yield new Uint8Array(10);
    };
    const done = Promise.withResolvers<void>();
    void new Upload(new OutgoingStream(1, wire, done.resolve, false), source());
    for (const expected of [0, 1, 2]) {
      await turn();
      assert.equal(asked, expected);
      takeOne();
    }
    await done.promise;
    assert.deepEqual(sent, ["bytes 10", "bytes 10", "bytes 10", "end"]);
  });

  test("cuts large chunks into messages that the guest takes whole", async () => {
    const { wire, sent, takeOne } = slowWire();
    const stream = new OutgoingStream(1, wire, () => {}, false);
    const written = stream.write(new Uint8Array(65_537));
    takeOne();
    await turn();
    takeOne();
    await written;
    assert.deepEqual(sent, ["bytes 65536", "bytes 1"]);
  });

  test("a source that fails, or yields no bytes, fails the stream and keeps its error", async () => {
    for (const [source, message] of [
      [ReadableStream.from([bytes("a"), "text" as unknown as Uint8Array]), /only carry Uint8Array/],
      [new ReadableStream({ start: (c) => c.error(new Error("disk")) }), /disk/],
    ] as const) {
      const { wire, sent, takeOne } = slowWire();
      const done = Promise.withResolvers<void>();
      const upload = new Upload(new OutgoingStream(1, wire, done.resolve, false), source);
      await turn();
      takeOne();
      await done.promise;
      assert.match(String(upload.failure?.error), message);
      assert.match(sent.at(-1) ?? "", /^error/);
    }
  });

  test("a cancel by the other side reaches a source that waits", async () => {
    const { wire } = slowWire();
    const stream = new OutgoingStream(1, wire, () => {}, false);
    const cancelled = Promise.withResolvers<unknown>();
    const upload = new Upload(stream, new ReadableStream({ cancel: cancelled.resolve }));
    await turn();
    stream.cancel("full");
    assert.equal(await cancelled.promise, "full");
    assert.equal(upload.failure, undefined);
  });

  test("a writable rejects writes once the other side wants no more", async () => {
    const { wire } = slowWire();
    const stream = new OutgoingStream(1, wire, () => {}, false);
    const writer = writableOf(stream).getWriter();
    await writer.ready;
    stream.cancel(new OperationError("BrokenPipe", "closed", "EPIPE"));
    await assert.rejects(writer.write(bytes("a")), { code: "EPIPE" });
  });
});

suite("Streams", () => {
  async function connect(server: FakeServer): Promise<{ rpc: Rpc; connection: Connection }> {
    const url = new URL(server.options.endpoint.replace("http", "ws"));
    const connection = new Connection({ url, headers: {} });
    const rpc = new Rpc(new Line(connection));
    await connection.opened();
    return { rpc, connection };
  }

  test("a stream can be taken before it begins, or after it has ended", async () => {
    await using server = await FakeServer.listen({ envGet: () => ({ ok: "" }) });
    const accepted = server.nextClient();
    const { rpc, connection } = await connect(server);
    const client = await accepted;
    const taken = new Response(rpc.streams.take(1)).text();
    for (const streamId of [1, 2]) {
      client.notify("$sandbox.stream.start", { streamId });
      client.enqueue(streamId, `stream ${streamId}`);
      client.notify("$sandbox.stream.end", { streamId });
    }
    assert.equal(await taken, "stream 1");
    await rpc.call("envGet", { key: "A" });
    assert.equal(await new Response(rpc.streams.take(2)).text(), "stream 2");
    await connection.close();
  });

  test("a stream that failed in the sandbox fails with that error", async () => {
    await using server = await FakeServer.listen();
    const accepted = server.nextClient();
    const { rpc, connection } = await connect(server);
    const reader = rpc.streams.take(1).getReader();
    const error = { constructorName: "BrokenPipe", message: "gone", code: "EPIPE" };
    (await accepted).notify("$sandbox.stream.error", { streamId: 1, error });
    await assert.rejects(reader.read(), { name: "BrokenPipe", code: "EPIPE" });
    await connection.close();
  });

  test("cancelling tells the server, and what still comes is dropped", async () => {
    await using server = await FakeServer.listen({ envGet: () => ({ ok: "" }) });
    const accepted = server.nextClient();
    const { rpc, connection } = await connect(server);
    const client = await accepted;
    const told = client.next("$sandbox.stream.cancel");
    await rpc.streams.take(1).cancel(new Error("enough"));
    assert.deepEqual((await told).params["streamId"], 1);
    client.notify("$sandbox.stream.start", { streamId: 1 });
    client.enqueue(1, new Uint8Array(unreadBytesMax));
    client.enqueue(1, new Uint8Array(unreadBytesMax));
    await rpc.call("envGet", { key: "A" });
    assert.equal(connection.flow.isPaused, false);
    await connection.close();
  });

  test("what is not read is not taken from the socket, until it is", async () => {
    await using server = await FakeServer.listen();
    const accepted = server.nextClient();
    const { rpc, connection } = await connect(server);
    const client = await accepted;
    const total = 8 * unreadBytesMax;
    client.notify("$sandbox.stream.start", { streamId: 1 });
    for (let sent = 0; sent < total; sent += 65_536) client.enqueue(1, new Uint8Array(65_536));
    client.notify("$sandbox.stream.end", { streamId: 1 });
    while (!connection.flow.isPaused) await turn();
    let received = 0;
    for await (const chunk of rpc.streams.take(1)) received += chunk.byteLength;
    assert.equal(received, total);
    await connection.close();
  });

  test("sending waits while the server does not read", async () => {
    await using server = await FakeServer.listen();
    const accepted = server.nextClient();
    const { connection } = await connect(server);
    const client = await accepted;
    client.socket.pause();
    const text = JSON.stringify({ method: "x", params: { text: "x".repeat(65_536) } });
    let isWaiting = false;
    let sent: Promise<void> = Promise.resolve();
    for (let messages = 0; !isWaiting && messages < 2_000; messages++) {
      isWaiting = true;
      sent = connection.sendPaced(text).then(() => void (isWaiting = false));
      await turn();
      await turn();
    }
    assert.equal(isWaiting, true);
    client.socket.resume();
    await sent;
    await connection.close();
  });
});
