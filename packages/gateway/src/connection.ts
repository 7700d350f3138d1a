import { setTimeout as pause } from "node:timers/promises";

import { limits } from "@skerry/protocol";
import type { Sandbox } from "@skerry/sdk";
import type { Logger } from "pino";

import type { Admission } from "./admission.ts";
import { Agent } from "./agent.ts";
import { Authentication, type Authorize, type Entrant } from "./authentication.ts";
import { joinConnection } from "./bridge.ts";
import type { SshConnection, TakeChannel } from "./channels.ts";
import type { ControlClient } from "./control-client.ts";
import { RemoteForwards } from "./remote-forwards.ts";
import { SandboxSession, type Program } from "./session.ts";

/** What every connection works with. */
export interface ConnectionContext {
  readonly control: Pick<ControlClient, "authorize" | "open">;
  readonly admission: Admission;
  /** Whether a client's agent may be lent to a sandbox. */
  readonly allowsAgent: boolean;
  readonly log: Logger;
}

/** One client of the gateway, from its first byte to its last. */
export class GatewayConnection {
  readonly #ssh: SshConnection;
  readonly #context: ConnectionContext;
  readonly #startedAt = performance.now();
  readonly #closed = new AbortController();
  #channels = 0;
  #idle: NodeJS.Timeout | undefined;

  /** @param place Held until the client has logged in, which it has so much time for. */
  constructor(ssh: SshConnection, address: string, place: Disposable, context: ConnectionContext) {
    this.#ssh = ssh;
    this.#context = context;
    ssh.setNoDelay(true); // keys that are typed must not wait for more of them
    const authorize: Authorize = async (username, key) =>
      await context.control.authorize(username, key, address);
    const failed = async (): Promise<void> => {
      const delayMs = context.admission.failures.note(address);
      if (delayMs > 0) await pause(delayMs, undefined, { signal: this.#closed.signal, ref: false });
    };
    const authentication = new Authentication(authorize, failed, () => this.end());
    ssh.on("authentication", (attempt) => void authentication.attempt(attempt));
    ssh.on("error", (error) => context.log.debug({ err: error }, "ssh connection failed"));
    ssh.once("close", () => {
      clearTimeout(this.#idle);
      place[Symbol.dispose]();
      this.#closed.abort();
    });
    ssh.once("ready", () => {
      place[Symbol.dispose]();
      if (authentication.entrant === null) ssh.end();
      else this.#serve(authentication.entrant, address);
    });
  }

  end(): void {
    this.#ssh.end();
  }

  #serve(entrant: Entrant, address: string): void {
    const { control, log } = this.#context;
    const { sandboxId, how } = entrant;
    const place = this.#context.admission.enter(entrant);
    if (place === null) {
      log.info({ sandboxId, how, address }, "too many ssh connections");
      return this.end();
    }
    this.#awaitChannel();
    const sandbox = control.open(entrant);
    sandbox.then(
      // It ends with its connection to the sandbox, which control closes when it is over.
      ({ closed }) => void closed.then(() => this.end()),
      (error: unknown) => {
        log.debug({ err: error, sandboxId }, "sandbox not reached");
        this.end();
      },
    );
    this.#ssh.once("close", () => {
      place[Symbol.dispose]();
      const seconds = Math.round((performance.now() - this.#startedAt) / 1_000);
      log.info({ sandboxId, how, address, seconds }, "ssh connection ended");
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
    clearTimeout(this.#idle);
    return { [Symbol.dispose]: () => this.#giveChannel() };
  };

  #giveChannel(): void {
    this.#channels -= 1;
    if (this.#channels === 0 && !this.#closed.signal.aborted) this.#awaitChannel();
  }

  /** Ends a connection that has no channel for too long. */
  #awaitChannel(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.end(), limits.sshIdleMs).unref();
  }
}
