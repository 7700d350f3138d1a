import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
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

/** Starts Debian's Chromium. It trusts the server's key, and no other that no authority of the internet vouches for. */
export async function openBrowser(server: TestServer): Promise<Browser> {
  await using stack = new AsyncDisposableStack();
  const profile = mkdtempSync(join(tmpdir(), "skerry-browser-"));
  stack.defer(() => rmSync(profile, { recursive: true, force: true }));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"],
      ...["--disable-background-networking", "--disable-component-update"],
      `--ignore-certificate-errors-spki-list=${await keyHashOf(server)}`,
    ],
    viewport: { width: 1_280, height: 800 },
  });
  stack.defer(() => context.close());
  const held = stack.move();
  return { context, [Symbol.asyncDispose]: () => held.disposeAsync() };
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
