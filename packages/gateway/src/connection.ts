import { limits } from "@skerry/protocol";
import type { Sandbox } from "@skerry/sdk";
import type { Logger } from "pino";

import { Agent } from "./agent.ts";
import { Authentication, type Authorize, type Entrant } from "./authentication.ts";
import { joinConnection } from "./bridge.ts";
import type { SshConnection, TakeChannel } from "./channels.ts";
import { RemoteForwards } from "./remote-forwards.ts";
import { SandboxSession, type Program } from "./session.ts";

/** Something that a sandbox's event log is told. */
export type OnEvent = (
  sandboxId: string,
  kind: "ssh-opened" | "ssh-closed",
  detail: Readonly<Record<string, unknown>>,
) => void;

/** What every connection works with. */
export interface ConnectionContext {
  readonly authorize: Authorize;
  /** Connects to a sandbox. */
  readonly open: (sandboxId: string) => Promise<Sandbox>;
  readonly onEvent: OnEvent;
  /** Whether a client's agent may be lent to a sandbox. */
  readonly allowsAgent: boolean;
  readonly log: Logger;
}

/** One client of the gateway, from its first byte to its last. */
export class GatewayConnection {
  /** Null before it has logged in. */
  entrant: Entrant | null = null;
  readonly #ssh: SshConnection;
  readonly #context: ConnectionContext;
  readonly #startedAt = performance.now();
  #channels = 0;

  constructor(ssh: SshConnection, address: string, context: ConnectionContext) {
    this.#ssh = ssh;
    this.#context = context;
    ssh.setNoDelay(true); // keys that are typed must not wait for more of them
    const authentication = new Authentication(context.authorize, () => this.end());
    const late = setTimeout(() => ssh.end(), limits.sshLoginMs);
    ssh.on("authentication", (attempt) => void authentication.attempt(attempt));
    ssh.on("error", (error) => context.log.debug({ err: error }, "ssh connection failed"));
    ssh.once("close", () => clearTimeout(late));
    ssh.once("ready", () => {
      clearTimeout(late);
      if (authentication.entrant === null) ssh.end();
      else this.#serve(authentication.entrant, address);
    });
  }

  end(): void {
    this.#ssh.end();
  }

  #serve(entrant: Entrant, address: string): void {
    this.entrant = entrant;
    const { onEvent, open, log } = this.#context;
    const { sandboxId, how } = entrant;
    const sandbox = open(sandboxId);
    sandbox.then(
      ({ closed }) => void closed.then(() => this.end()),
      (error: unknown) => {
        log.debug({ err: error, sandboxId }, "sandbox not reached");
        this.end();
      },
    );
    onEvent(sandboxId, "ssh-opened", { how, address });
    this.#ssh.once("close", () => {
      const seconds = Math.round((performance.now() - this.#startedAt) / 1_000);
      onEvent(sandboxId, "ssh-closed", { how, address, seconds });
      sandbox.then(
        (opened) => void opened.close(),
        () => {},
      );
    });
    this.#serveChannels(sandbox, sandboxId);
  }

  #serveChannels(sandbox: Promise<Sandbox>, sandboxId: string): void {
    const onProgram = ({ kind, command }: Program): void => {
      this.#context.log.debug({ sandboxId, kind, command }, "ssh session");
    };
    const { allowsAgent } = this.#context;
    const agent = allowsAgent ? new Agent(this.#ssh, sandbox, this.#takeChannel) : null;
    this.#ssh.on("session", (accept, reject) => {
      const place = this.#takeChannel();
      if (place === null) return reject();
      const session = accept();
      session.once("close", () => place[Symbol.dispose]());
      return void new SandboxSession(session, sandbox, agent, onProgram);
    });
    this.#ssh.on("tcpip", (accept, reject, { destIP: host, destPort: port }) => {
      void this.#forward(sandbox, { host, port }, accept, reject);
    });
    this.#ssh.on("openssh.streamlocal", (accept, reject, { socketPath: path }) => {
      void this.#forward(sandbox, { path }, accept, reject);
    });
    void new RemoteForwards(this.#ssh, sandbox, this.#takeChannel);
  }

  /** Never rejects. */
  async #forward(
    sandbox: Promise<Sandbox>,
    target: { readonly host: string; readonly port: number } | { readonly path: string },
    accept: () => Parameters<typeof joinConnection>[0],
    reject: () => void,
  ): Promise<void> {
    using place = this.#takeChannel();
    if (place === null) return reject();
    try {
      const made = await (await sandbox).dial(target);
      await joinConnection(accept(), made);
    } catch {
      reject(); // nobody listens there
    }
  }

  readonly #takeChannel: TakeChannel = () => {
    if (this.#channels >= limits.sshChannelsMax) return null;
    this.#channels += 1;
    return { [Symbol.dispose]: () => void (this.#channels -= 1) };
  };
}
