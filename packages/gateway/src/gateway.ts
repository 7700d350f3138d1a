import { limits, type SshEndpoint } from "@skerry/protocol";
import type { Logger } from "pino";
import ssh2 from "ssh2";

import { Admission } from "./admission.ts";
import { keepAnnounced } from "./announcement.ts";
import type { SshConnection } from "./channels.ts";
import { GatewayConnection } from "./connection.ts";
import { ControlClient } from "./control-client.ts";
import { Door } from "./door.ts";
import { openHostKey } from "./host-key.ts";

export interface GatewayOptions {
  readonly host: string;
  /** Port 0 takes a free one. */
  readonly port: number;
  /** What clients are told to connect to, where that is not `host`. */
  readonly publicHost?: string | undefined;
  readonly hostKeyFile: string;
  /** The API of control, and a token for it that is good for a gateway. */
  readonly endpoint: string;
  readonly token: string;
  /** Whether a client's agent may be lent to a sandbox. Default false. */
  readonly allowsAgent?: boolean | undefined;
  readonly log: Logger;
}

/** The SSH gateway. Disposing of it ends all connections. */
export interface Gateway extends AsyncDisposable {
  readonly endpoint: SshEndpoint;
}

/** What OpenSSH has had for ten years, and nothing that is weaker. */
const algorithms = {
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
  serverHostKey: ["ssh-ed25519"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes128-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256"],
  compress: ["none"],
} as const;

/**
 * Lets SSH clients into sandboxes: it speaks SSH on one side, and control's API on the other, and tells
 * control where it is.
 *
 * @throws {RefusedByControl} when its token is wrong.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { host, endpoint, token, log, allowsAgent = false } = options;
  const hostKey = await openHostKey(options.hostKeyFile);
  const connections = new Set<GatewayConnection>();
  const control = new ControlClient(endpoint, token);
  const admission = new Admission();
  await using stack = new AsyncDisposableStack();
  const server = new ssh2.Server(
    {
      hostKeys: [hostKey.privateKey],
      ident: "skerry",
      algorithms: structuredClone(algorithms) as never, // its types want arrays that it may change
      keepaliveInterval: limits.sshKeepAliveMs,
      keepaliveCountMax: 3,
    },
    (ssh, from) => {
      const context = { control, admission, allowsAgent, log };
      const place = door.placeOf(from);
      const connection = new GatewayConnection(ssh as SshConnection, from.ip, place, context);
      connections.add(connection);
      ssh.once("close", () => connections.delete(connection));
    },
  );
  const door = new Door(admission, (socket) => server.injectSocket(socket), log);
  const port = await door.listen(host, options.port);
  stack.defer(async () => {
    for (const connection of connections) connection.end();
    await door.close();
  });
  const { publicKey, fingerprint } = hostKey;
  const here = { host: options.publicHost ?? host, port, hostKey: publicKey, fingerprint };
  stack.use(await keepAnnounced(control, here, log));
  const owned = stack.move();
  return { endpoint: here, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
