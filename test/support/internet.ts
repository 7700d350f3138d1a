import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startNameServer, type NameServer } from "./name-server.ts";
import { Outside } from "./outside.ts";

/** Hosts of the internet, as far as this test has one. The second is nobody's friend. */
export const good = "198.18.250.1";
export const evil = "198.18.250.2";
export const wild = "198.18.250.3";
export const moving = "198.18.250.4";
/** What must not be reached by anybody, and could be if nothing stood between. */
export const metadata = "169.254.169.254";
export const lan = "10.213.7.1";

/** Serves on every address of the place, and tells what reaches it. */
const program = (certificate: string, key: string): string => `
  import { createServer as http } from "node:http";
  import { createServer as https } from "node:https";
  import { createServer as tcp } from "node:net";
  import { createSocket } from "node:dgram";
  const tell = (what, socket, more = "") =>
    console.log([what, socket.localAddress + ":" + socket.localPort, more].join(" ").trim());
  const answer = (request, response) => {
    tell(request.socket.encrypted ? "https" : "http", request.socket, request.url + " " + request.headers.host);
    if (request.url === "/redirect") response.writeHead(302, { location: "http://${evil}/" });
    response.end("reached " + request.socket.localAddress);
  };
  const listening = [
    [http(answer), 80], [http(answer), 8000], [https({ cert: ${JSON.stringify(certificate)}, key: ${JSON.stringify(key)} }, answer), 443],
    [tcp((socket) => { tell("tcp", socket); socket.end("reached"); }), 853],
    [tcp((socket) => { tell("tcp", socket); socket.end("reached"); }), 53],
  ].map(([server, port]) => new Promise((done) => server.listen(port, "0.0.0.0", done)));
  const udp = [53, 443].map((port) => new Promise((done) => {
    const socket = createSocket("udp4");
    socket.on("message", () => console.log("udp", port));
    socket.bind(port, "0.0.0.0", done);
  }));
  await Promise.all([...listening, ...udp]);
  console.log("ready");
`;

/** An internet of a few hosts, and the name server that knows them. */
export interface Internet extends AsyncDisposable {
  readonly outside: Outside;
  readonly names: NameServer;
}

export async function startInternet(): Promise<Internet> {
  await using stack = new AsyncDisposableStack();
  const { key, certificate } = makeCertificate();
  const addresses = [good, evil, wild, moving, metadata, lan];
  const outside = stack.use(await Outside.start(addresses, program(certificate, key)));
  const names = stack.use(await startNameServer());
  names.names.set("good.test", [good]);
  names.names.set("api.wild.test", [wild]);
  names.names.set("evil.test", [evil]);
  names.names.set("lan.wild.test", [lan]);
  names.names.set("meta.test", [metadata]);
  const owned = stack.move();
  return { outside, names, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function makeCertificate(): { readonly key: string; readonly certificate: string } {
  const directory = mkdtempSync(join(tmpdir(), "skerry-test-"));
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "certificate.pem")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const args = ["req", "-x509", ...kind, "-days", "1", "-subj", "/CN=good.test"];
  try {
    execFileSync("openssl", [...args, "-keyout", key, "-out", certificate], { stdio: "ignore" });
    return { key: readFileSync(key, "utf8"), certificate: readFileSync(certificate, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
