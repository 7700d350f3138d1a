import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A network between a client and a server that a test can break. */
export interface CuttingProxy extends AsyncDisposable {
  readonly url: string;
  /** Whether it takes new connections; those that come meanwhile are cut at once. */
  isUp: boolean;
  /** Cuts all connections, as a network does that is gone. */
  cut(): void;
  /** Cuts all connections each time that so many bytes have come from the server. */
  cutEvery(bytes: number): void;
  /** How often it was cut. */
  readonly cuts: () => number;
}

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let everyBytes = Number.POSITIVE_INFINITY;
  let sinceCut = 0;
  let cuts = 0;
  const cut = (): void => {
    cuts += 1;
    sinceCut = 0;
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {}); // `close` follows
    socket.on("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    keep(client);
    if (!proxy.isUp) return void client.resetAndDestroy();
    const upstream = connect(Number(port), hostname);
    keep(upstream);
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
    client.pipe(upstream);
    upstream.pipe(client);
    upstream.on("data", (chunk: Buffer) => {
      sinceCut += chunk.length;
      if (sinceCut >= everyBytes) cut();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: CuttingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on TCP
    isUp: true,
    cut,
    cutEvery: (bytes) => (everyBytes = bytes),
    cuts: () => cuts,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}
