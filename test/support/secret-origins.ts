import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { Authority } from "@skerry/certificates";

import { makeTestHome } from "./machine-home.ts";
import { startNameServer, type NameServer } from "./name-server.ts";
import { Outside } from "./outside.ts";

/** Hosts with good certificates, and one that has the certificate of another. */
export const api = "198.18.251.1";
export const other = "198.18.251.2";
export const bad = "198.18.251.3";

/** Serves HTTP/1.1 and HTTP/2 everywhere, notes down what it sees, and says it back. */
const program = (certificates: Readonly<Record<string, object>>): string => `
  import { createServer } from "node:http";
  import { createSecureServer } from "node:http2";
  const certificates = ${JSON.stringify(certificates)};
  const ready = [];
  const answer = async (request, response) => {
    const body = (await Array.fromAsync(request)).join("").slice(0, 2_000);
    const scheme = request.socket.encrypted ? "https" : "http";
    const { localAddress, localPort } = request.socket;
    const { authorization, cookie, "x-key": key, "user-agent": agent } = request.headers;
    const seen = { scheme, version: request.httpVersion, at: localAddress + ":" + localPort, url: request.url };
    console.log(JSON.stringify({ ...seen, authorization, key, cookie, agent, body }));
    if (request.url === "/redirect") response.writeHead(302, { location: "https://other.test/stolen" });
    else response.setHeader("x-echo", String(authorization ?? key ?? ""));
    response.end("seen " + [authorization, key, body].filter(Boolean).join(" "));
  };
  const upgrade = (request, socket) => {
    console.log(JSON.stringify({ scheme: "upgrade", key: request.headers["x-key"] }));
    socket.write("HTTP/1.1 101 Go\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n");
    socket.write("key " + request.headers["x-key"]);
    socket.pipe(socket);
  };
  for (const [address, { certificate: cert, key }] of Object.entries(certificates)) {
    for (const port of [443, 8443]) {
      const server = createSecureServer({ cert, key, allowHTTP1: true }, answer).on("upgrade", upgrade);
      server.on("secureConnection", (socket) => socket.once("data", () => console.log(JSON.stringify({ scheme: "tls", at: address + ":" + port }))));
      ready.push(new Promise((done) => server.listen(port, address, done)));
    }
    ready.push(new Promise((done) => createServer(answer).listen(80, address, done)));
  }
  await Promise.all(ready);
  console.log("ready");
`;

/** What a server of {@link startOrigins} has seen of a request. */
export interface Seen {
  readonly scheme: string;
  readonly version?: string;
  readonly at?: string;
  readonly url?: string;
  readonly authorization?: string;
  readonly key?: string;
  readonly cookie?: string;
  readonly agent?: string;
  readonly body?: string;
}

/** Servers that secrets are for, and others, with the names that lead to them. */
export interface Origins extends AsyncDisposable {
  readonly names: NameServer;
  /** The file of the authority that vouches for them. */
  readonly trust: string;
  /** What they have seen since this was asked for the last time. */
  seen(): readonly Seen[];
}

export async function startOrigins(): Promise<Origins> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(makeTestHome());
  const authority = await Authority.load(await Authority.create("Origins of a test"));
  const certificates = {
    [api]: await authority.issue(["api.test"], 1),
    [other]: await authority.issue(["other.test"], 1),
    [bad]: await authority.issue(["other.test"], 1),
  };
  const outside = stack.use(await Outside.start([api, other, bad], program(certificates)));
  const names = stack.use(await startNameServer());
  names.names.set("api.test", [api]);
  names.names.set("other.test", [other]);
  names.names.set("bad.test", [bad]);
  const trust = join(home.path, "trust.pem");
  writeFileSync(trust, authority.certificate);
  const owned = stack.move();
  return {
    ...{ names, trust },
    seen: () => outside.reached.splice(0).map((line) => JSON.parse(line) as Seen),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
