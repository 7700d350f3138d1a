import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";

import { chromium, type BrowserContext } from "playwright-core";

import { caOf } from "./outside-client.ts";
import type { TestServer } from "./server.ts";

/** A browser without a window, with a profile of its own. Disposing of it ends it. */
export interface Browser extends AsyncDisposable {
  readonly context: BrowserContext;
}

/**
 * Starts Debian's Chromium. It trusts the server's key, and no other that no authority of the internet vouches for. It is
 * in a network of its own, where it reaches the server and nothing else: one that sees an interface come or go, as those
 * of machines do, gives up all that it loads.
 */
export async function openBrowser(server: TestServer): Promise<Browser> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "skerry-browser-"));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const port = Number(new URL(server.ingress.url).port);
  const socket = join(directory, "server.sock");
  stack.use(await forward(socket, port));
  const context = await chromium.launchPersistentContext(join(directory, "profile"), {
    executablePath: program(directory, port, socket),
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"],
      ...["--disable-background-networking", "--disable-component-update"],
      `--ignore-certificate-errors-spki-list=${await keyHashOf(server)}`,
    ],
    viewport: { width: 1_280, height: 800 },
    timeout: startMs,
  });
  stack.defer(() => context.close());
  const held = stack.move();
  return { context, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

const startMs = 60_000;

/** Connections to a Unix socket go on to a port of this host: such a socket is reached from any network. */
async function forward(socket: string, port: number): Promise<AsyncDisposable> {
  const forwarder = createServer((from) => {
    const to = connectTcp(port, "127.0.0.1");
    from.on("error", () => to.destroy());
    to.on("error", () => from.destroy());
    from.pipe(to).pipe(from);
  });
  forwarder.listen(socket);
  await once(forwarder, "listening");
  return {
    async [Symbol.asyncDispose]() {
      forwarder.close();
    },
  };
}

/** A program that is Chromium in a network of its own. */
function program(directory: string, port: number, socket: string): string {
  const file = join(directory, "chromium");
  const script = join(import.meta.dirname, "own-network.mjs");
  const command = [process.execPath, script, port, socket, "/usr/bin/chromium"].join(" ");
  writeFileSync(file, `#!/bin/sh\nexec unshare --net -- ${command} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}

/** Of the key that exposed servers are reached with: SHA-256, base64. */
async function keyHashOf(server: TestServer): Promise<string> {
  const { hostname, port } = new URL(server.ingress.url);
  const servername = `any.${server.ingress.baseDomain}`;
  const socket = connect({ host: hostname, port: Number(port), servername, ca: caOf(server) });
  await once(socket, "secureConnect");
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  const key = new X509Certificate(raw).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}
