import { limits } from "@skerry/protocol";
import type { ListenTarget, Sandbox, SandboxListener } from "@skerry/sdk";

import type { SshConnection, TakeChannel } from "./channels.ts";
import { leadOutward, type Opener } from "./outward.ts";

/** What a client asks to be listened on, as `ssh -R` does. */
type Wanted =
  | { readonly bindAddr: string; readonly bindPort: number }
  | { readonly socketPath: string };

/** Answers a request; the port is of use where any was asked for. */
type Accept = ((port?: number) => void) | undefined;
type Reject = (() => void) | undefined;

/**
 * What one client has asked to be listened on in the sandbox (RFC 4254, 7.1, and OpenSSH's
 * `streamlocal-forward@openssh.com`). Each connection there becomes a channel to the client.
 */
export class RemoteForwards {
  readonly #ssh: SshConnection;
  readonly #sandbox: Promise<Sandbox>;
  readonly #takeChannel: TakeChannel;
  /** By what was asked for, with the port that came of it. */
  readonly #open = new Map<string, SandboxListener>();
  /** Those that are being opened. */
  #opening = 0;

  constructor(ssh: SshConnection, sandbox: Promise<Sandbox>, takeChannel: TakeChannel) {
    this.#ssh = ssh;
    this.#sandbox = sandbox;
    this.#takeChannel = takeChannel;
    ssh.on("request", (accept, reject, name, info) => {
      if (name.startsWith("cancel-")) return void this.#cancel(info, accept, reject);
      void this.#listen(info, accept, reject);
    });
  }

  /** Never rejects. */
  async #listen(wanted: Wanted, accept: Accept, reject: Reject): Promise<void> {
    if (this.#open.size + this.#opening >= limits.sshForwardsMax) return reject?.();
    this.#opening += 1;
    let listener: SandboxListener;
    try {
      listener = await (await this.#sandbox).listen(targetOf(wanted));
    } catch {
      reject?.(); // something listens there already, or nobody may
      return;
    } finally {
      this.#opening -= 1;
    }
    const { port } = listener;
    this.#open.set(keyOf(port === null ? wanted : { ...wanted, bindPort: port }), listener);
    accept?.(port ?? undefined);
    await leadOutward(listener, this.#takeChannel, this.#opener(wanted, port));
  }

  async #cancel(wanted: Wanted, accept: Accept, reject: Reject): Promise<void> {
    const asked = keyOf(wanted);
    const listener = this.#open.get(asked);
    if (listener === undefined) return reject?.();
    this.#open.delete(asked);
    try {
      await listener.close();
      accept?.();
    } catch {
      reject?.(); // the sandbox has gone
    }
  }

  #opener(wanted: Wanted, bound: number | null): Opener {
    if ("socketPath" in wanted) {
      const { socketPath } = wanted;
      return () => (callback) => this.#ssh.openssh_forwardOutStreamLocal(socketPath, callback);
    }
    const { bindAddr, bindPort } = wanted;
    return ({ address, port }) =>
      (callback) =>
        this.#ssh.forwardOut(bindAddr, bound ?? bindPort, address ?? "", port ?? 0, callback);
  }
}

function targetOf(wanted: Wanted): ListenTarget {
  if ("socketPath" in wanted) return { path: wanted.socketPath };
  return { host: wanted.bindAddr, port: wanted.bindPort };
}

function keyOf(wanted: Wanted): string {
  return JSON.stringify(
    "socketPath" in wanted ? [wanted.socketPath] : [wanted.bindAddr, wanted.bindPort],
  );
}
