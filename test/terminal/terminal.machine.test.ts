import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { after, before, suite, test } from "node:test";

import { limits, TerminalOutput } from "@skerry/protocol";
import { Sandbox } from "@skerry/sdk";
import { WebSocket, type ClientOptions } from "ws";

import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";

const held = new AsyncDisposableStack();
let server: TestServer;
let sandbox: Sandbox;

before(async () => {
  server = held.use(await startServer({ args: ["--allow-origin", "https://dashboard.example"] }));
  sandbox = held.use(await Sandbox.create({ endpoint: server.url, token: server.token }));
});
after(() => held.disposeAsync());

/** A viewer of a terminal, and what it has seen. */
interface Viewer extends Disposable {
  readonly socket: WebSocket;
  readonly seen: { text: string; readonly told: TerminalOutput[] };
  sees(what: RegExp): Promise<void>;
  /** The code with which the socket was closed. */
  readonly closed: Promise<number>;
}

function open(query: string, options: ClientOptions = {}, protocols: string[] = []): WebSocket {
  const url = `${server.url.replace("http", "ws")}/api/v1/sandboxes/${sandbox.id}/terminal${query}`;
  return new WebSocket(url, protocols, options);
}

async function view(query = ""): Promise<Viewer> {
  const socket = open(query, { headers: { authorization: `Bearer ${server.token}` } });
  const seen: Viewer["seen"] = { text: "", told: [] };
  socket.on("message", (data: Buffer, isBinary) => {
    if (isBinary) seen.text += data.toString();
    else seen.told.push(TerminalOutput.parse(JSON.parse(data.toString())));
  });
  const closed = once(socket, "close").then(([code]) => code as number);
  await once(socket, "open");
  return {
    ...{ socket, seen, closed },
    sees: async (what) => {
      await eventually(`it shows ${String(what)}`, () => what.test(seen.text), 60_000);
    },
    [Symbol.dispose]: () => socket.terminate(),
  };
}

function sessionOf({ seen }: Viewer): string {
  const [first] = seen.told;
  assert.ok(first !== undefined && "session" in first);
  return first.session;
}

/** The status with which a socket is refused. */
async function statusOf(socket: WebSocket): Promise<number> {
  socket.on("error", () => {});
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  response.destroy();
  return response.statusCode ?? 0;
}

suite("a terminal over a WebSocket", { timeout: 400_000 }, () => {
  test("shows a shell of the size that was asked for, takes what is typed, and says how it ended", async () => {
    using viewer = await view("?rows=30&cols=100");
    await viewer.sees(/\$ /);
    viewer.socket.send(Buffer.from("stty size; echo é$((1 + 1))\n"));
    await viewer.sees(/30 100\r\né2/);
    viewer.socket.send(JSON.stringify({ resize: { rows: 50, cols: 132 } }));
    viewer.socket.send(Buffer.from("stty size\n"));
    await viewer.sees(/50 132/);
    viewer.socket.send(Buffer.from("exit 4\n"));
    assert.equal(await viewer.closed, 1_000);
    assert.deepEqual(viewer.seen.told.at(-1), { exit: { code: 4, signal: null } });
  });

  test("goes on without a viewer, and shows who comes back what it has shown", async () => {
    let session: string;
    {
      using first = await view();
      await first.sees(/\$ /);
      session = sessionOf(first);
      first.socket.send(Buffer.from("echo mark-$((40 + 2)); sleep 1; echo later-$((1 + 1))\n"));
      await first.sees(/mark-42/);
    }
    using second = await view(`?session=${session}`);
    await second.sees(/mark-42[^]*later-2/);
    assert.equal(sessionOf(second), session);
    using third = await view(`?session=${session}`);
    assert.equal(await second.closed, 4_001);
    third.socket.send(Buffer.from("exit\n"));
    assert.equal(await third.closed, 1_000);
    const token = { headers: { authorization: `Bearer ${server.token}` } };
    await eventually(
      "it is gone",
      async () => (await statusOf(open(`?session=${session}`, token))) === 404,
    );
  });

  test("shows a flood whole at the pace of its viewer", async () => {
    using viewer = await view();
    await viewer.sees(/\$ /);
    viewer.socket.send(Buffer.from("stty -echo; seq 200000; echo done-$((1 + 1))\n"));
    await viewer.sees(/done-2/);
    const numbers = viewer.seen.text.match(/^\d+\r$/gm) ?? [];
    assert.equal(numbers.length, 200_000);
  });

  test("lets nobody in without a token, from a strange page, or to what is not there", async () => {
    const token = { authorization: `Bearer ${server.token}` };
    assert.equal(await statusOf(open("")), 401);
    assert.equal(
      await statusOf(open("", { headers: { ...token, origin: "https://evil.example" } })),
      403,
    );
    assert.equal(await statusOf(open("?session=0", { headers: token })), 404);
    assert.equal(await statusOf(open("?rows=0", { headers: token })), 400);
    assert.equal(await statusOf(open("", {}, ["skerry.terminal.v1", "skerry.token.wrong"])), 401);
  });

  test("lets a page in that brings its token as browsers can", async () => {
    const protocols = ["skerry.terminal.v1", `skerry.token.${server.token}`];
    const socket = open("", { origin: "https://dashboard.example" }, protocols);
    await once(socket, "open");
    assert.equal(socket.protocol, "skerry.terminal.v1");
    socket.terminate();
    assert.ok(!server.output().includes(server.token));
  });

  test("ends with what it cannot read, and is not more than so many", async () => {
    {
      using viewer = await view();
      viewer.socket.send('{"resize":{"rows":0,"cols":1}}');
      assert.equal(await viewer.closed, 1_003);
    }
    const token = { headers: { authorization: `Bearer ${server.token}` } };
    const sockets: WebSocket[] = [];
    try {
      let status = 0;
      while (status === 0 && sockets.length <= limits.terminalsMax) {
        const socket = open("", token);
        sockets.push(socket);
        status = await Promise.race([statusOf(socket), once(socket, "open").then(() => 0)]);
      }
      assert.equal(status, 503);
    } finally {
      for (const socket of sockets) socket.terminate();
    }
  });
});
