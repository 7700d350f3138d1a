import { once } from "node:events";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, getCACertificates } from "node:tls";

import type { Guest } from "@skerry/protocol";

import { GuestDuplex } from "./guest-duplex.ts";

/** Where requests go: to the host that their URL names, or to the server of a process. */
export type Route =
  | { readonly kind: "network" }
  | { readonly kind: "socket"; readonly path: string };

let trusted: string[] | undefined;

/** Connects inside the machine to where `url` is served, with TLS when it says so. */
export async function connect(
  guest: Guest,
  url: URL,
  route: Route,
  signal: AbortSignal,
): Promise<Duplex> {
  if (route.kind === "socket") {
    return new GuestDuplex(await guest.dial({ unix: route.path, patient: true }, signal));
  }
  const isSecure = url.protocol === "https:";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? (isSecure ? 443 : 80) : Number(url.port);
  const plain = new GuestDuplex(await guest.dial({ tcp: { host, port } }, signal));
  if (!isSecure) return plain;
  trusted ??= [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
  const secure = connectTls({
    socket: plain,
    ca: trusted,
    ALPNProtocols: ["http/1.1"],
    host,
    ...(isIP(host) === 0 && { servername: host }),
  });
  try {
    await once(secure, "secureConnect", { signal });
    return secure;
  } catch (error) {
    secure.destroy();
    throw error;
  }
}
