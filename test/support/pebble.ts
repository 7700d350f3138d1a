import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { Authority } from "@skerry/certificates";

import { freePort } from "./free-port.ts";
import { makeTestHome } from "./machine-home.ts";
import type { NameServer } from "./name-server.ts";

/** A certificate authority of the internet, as its makers test clients with (Debian's `pebble`). */
export interface Pebble extends AsyncDisposable {
  readonly directoryUrl: string;
  /** The file of the authority by which the directory itself is trusted. */
  readonly caFile: string;
  /** The root by which what it gives is trusted, PEM. */
  root(): Promise<string>;
}

export async function startPebble(names: NameServer): Promise<Pebble> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(makeTestHome());
  const authority = await Authority.load(await Authority.create("Directory of a test"));
  const { certificate, key } = await authority.issue(["127.0.0.1"], 1);
  const file = (name: string, text: string): string => {
    const path = join(home.path, name);
    writeFileSync(path, text);
    return path;
  };
  const caFile = file("ca.pem", authority.certificate);
  const [port, managementPort] = [await freePort(), await freePort()];
  const config = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: file("certificate.pem", certificate),
    privateKey: file("key.pem", key),
    ...{ httpPort: 5_002, tlsPort: 5_001 },
  };
  const args = ["-config", file("pebble.json", JSON.stringify({ pebble: config }))];
  const child = spawn("pebble", [...args, "-dnsserver", names.address], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PEBBLE_VA_NOSLEEP: "1" },
  });
  stack.defer(async () => {
    const ended = once(child, "exit");
    child.kill();
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes("ACME directory available")) break;
  }
  child.stdout.resume();
  const owned = stack.move();
  return {
    ...{ directoryUrl: `https://127.0.0.1:${port}/dir`, caFile },
    async root() {
      const url = `https://127.0.0.1:${managementPort}/roots/0`;
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      get(url, { ca: authority.certificate }, (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => resolve(text));
      }).on("error", reject);
      return await promise;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
