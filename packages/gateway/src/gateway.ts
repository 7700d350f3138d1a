import { once } from "node:events";
import type { AddressInfo } from "node:net";

import { limits, paths, SshAuthorizeAnswer, type SshEndpoint } from "@skerry/protocol";
import { Sandbox } from "@skerry/sdk";
import type { Logger } from "pino";
import ssh2 from "ssh2";

import type { Authorize } from "./authentication.ts";
import type { SshConnection } from "./channels.ts";
import { GatewayConnection, type OnEvent } from "./connection.ts";
import { openHostKey } from "./host-key.ts";

export interface GatewayOptions {
  readonly host: string;
  /** Port 0 takes a free one. */
  readonly port: number;
  /** What clients are told to connect to, where that is not `host`. */
  readonly publicHost?: string | undefined;
  readonly hostKeyFile: string;
  /** The API of control, and a token for it. */
  readonly endpoint: string;
  readonly token: string;
  readonly onEvent: OnEvent;
  /** Whether a client's agent may be lent to a sandbox. Default false. */
  readonly allowsAgent?: boolean | undefined;
  readonly log: Logger;
}

/** The SSH gateway. Disposing of it ends all connections. */
export interface Gateway extends AsyncDisposable {
  readonly endpoint: SshEndpoint;
  /** Ends what was entered with a key, by its blob, base64. */
  revoke(key: string): void;
}

/** What OpenSSH has had for ten years, and nothing that is weaker. */
const algorithms = {
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
  serverHostKey: ["ssh-ed25519"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes128-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256"],
  compress: ["none"],
} as const;

/** Lets SSH clients into sandboxes: it speaks SSH on one side, and control's API on the other. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { host, endpoint, token, onEvent, log } = options;
  const hostKey = await openHostKey(options.hostKeyFile);
  const connections = new Set<GatewayConnection>();
  const authorize = authorizer(endpoint, token);
  const open = async (id: string): Promise<Sandbox> =>
    await Sandbox.connect({ id, endpoint, token });
  const server = new ssh2.Server(
    {
      hostKeys: [hostKey.privateKey],
      ident: "skerry",
      algorithms: structuredClone(algorithms) as never, // its types want arrays that it may change
      keepaliveInterval: limits.sshKeepAliveMs,
      keepaliveCountMax: 3,
    },
    (ssh, { ip }) => {
      if (connections.size >= limits.sshConnectionsMax) {
        ssh.on("error", () => {});
        ssh.end();
        return;
      }
      const { allowsAgent = false } = options;
      const context = { authorize, open, onEvent, allowsAgent, log };
      const connection = new GatewayConnection(ssh as SshConnection, ip, context);
      connections.add(connection);
      ssh.once("close", () => connections.delete(connection));
    },
  );
  server.listen(options.port, host);
  await once(server, "listening");
  server.on("error", (error: unknown) => log.error({ err: error }, "ssh gateway failed"));
  const { port } = server.address() as AddressInfo; // of a TCP server that listens
  const { publicKey, fingerprint } = hostKey;
  return {
    endpoint: { host: options.publicHost ?? host, port, hostKey: publicKey, fingerprint },
    revoke(key) {
      for (const connection of connections) if (connection.entrant?.key === key) connection.end();
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const connection of connections) connection.end();
      await closed;
    },
  };
}

function authorizer(endpoint: string, token: string): Authorize {
  return async (username, key) => {
    const response = await fetch(new URL(paths.authorizeSsh, endpoint), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ username, key }),
      signal: AbortSignal.timeout(limits.sshLoginMs),
    });
    if (!response.ok) return null;
    return SshAuthorizeAnswer.parse(await response.json()).sandboxId;
  };
}
