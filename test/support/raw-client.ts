import { createHash, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

import { WebSocket } from "ws";

import type { TestServer } from "./server.ts";

/** A client that does what no well-meant client does: it speaks the wire by hand. */
export class RawClient {
  readonly socket: WebSocket;
  readonly id: string;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #answers = new Map<number, (answer: RawAnswer) => void>();
  #nextId = 1;

  private constructor(
    socket: WebSocket,
    id: string,
    closed: Promise<{ code: number; reason: string }>,
  ) {
    this.socket = socket;
    this.id = id;
    this.closed = closed;
    socket.on("message", (data: Buffer) => this.#receive(data.toString("utf8")));
  }

  /** Creates a sandbox; rejects with `{status, body}` when the server refuses. */
  static async create(
    server: Pick<TestServer, "url" | "token">,
    config: object | string = {},
    headers: Record<string, string> = {},
  ): Promise<RawClient> {
    const text = typeof config === "string" ? config : btoa(JSON.stringify(config));
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/api/v3/sandboxes/create`, {
      headers: {
        authorization: `Bearer ${server.token}`,
        "x-deno-sandbox-config": text,
        ...headers,
      },
    });
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      socket.once("close", (code: number, reason: Buffer) => {
        resolve({ code, reason: reason.toString() });
      });
    });
    let id = "";
    socket.once("upgrade", ({ headers: answer }) => {
      id = String(answer["x-deno-sandbox-id"]);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          reject(new Refused(response.statusCode ?? 0, Buffer.concat(chunks).toString("utf8")));
          socket.terminate();
        });
      });
    });
    return new RawClient(socket, id, closed);
  }

  async call(method: string, params: object): Promise<RawAnswer> {
    const id = this.#nextId;
    this.#nextId += 1;
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return await new Promise((resolve) => this.#answers.set(id, resolve));
  }

  #receive(text: string): void {
    if (text === "pong") return;
    const message = JSON.parse(text) as RawAnswer & { id?: number };
    if (message.id !== undefined) this.#answers.get(message.id)?.(message);
  }
}

export interface RawAnswer {
  readonly result?: { readonly ok?: unknown; readonly error?: { readonly code: string | null } };
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** A handshake that was answered with plain HTTP. */
export class Refused extends Error {
  readonly status: number;
  readonly body: { readonly code?: string; readonly message?: string };

  constructor(status: number, text: string) {
    super(`${status} ${text}`);
    this.status = status;
    this.body = JSON.parse(text) as { code?: string };
  }
}

/** A TCP connection that has done the handshake and then falls silent, as when a cable is cut. */
export async function silentConnection(
  server: Pick<TestServer, "url" | "token">,
): Promise<{ socket: Socket; id: string }> {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname, port: Number(port) });
  const key = randomBytes(16).toString("base64");
  socket.write(
    [
      "GET /api/v3/sandboxes/create HTTP/1.1",
      `Host: ${hostname}:${port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${key}`,
      `Authorization: Bearer ${server.token}`,
      `x-deno-sandbox-config: ${btoa("{}")}`,
      "\r\n",
    ].join("\r\n"),
  );
  const head = await new Promise<string>((resolve) => {
    socket.once("data", (chunk: Buffer) => resolve(chunk.toString("latin1")));
  });
  const accept = createHash("sha1")
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  if (!head.includes(accept)) throw new Error(`no handshake: ${head}`);
  return { socket, id: /x-deno-sandbox-id: (\S+)/i.exec(head)?.[1] ?? "" };
}
