import { randomBytes } from "node:crypto";

import { letters } from "@skerry/protocol";
import type { Sandbox } from "@skerry/sdk";
import type { Connection } from "ssh2";

import type { OpenChannel, TakeChannel } from "./channels.ts";
import { leadOutward } from "./outward.ts";

const windowBytes = 2 * 1024 * 1024;
const packetBytes = 32 * 1024;
const nameLetters = 20; // 5 bits each

/** What ssh2 has and does not show: it opens channels for agents as a client, and as a server it only could. */
interface AgentOpener {
  readonly _chanMgr: { add(callback: Parameters<OpenChannel>[0]): number };
  readonly _protocol: { openssh_authAgent(id: number, window: number, packet: number): void };
}

/**
 * The client's agent, as a socket in the sandbox whose path programs find in `SSH_AUTH_SOCK`. Whoever is
 * in the sandbox may have the agent sign, so this is for operators to allow and for users to ask for.
 */
export class Agent {
  readonly #ssh: Connection;
  readonly #sandbox: Promise<Sandbox>;
  readonly #takeChannel: TakeChannel;
  #socket: Promise<string> | null = null;

  constructor(ssh: Connection, sandbox: Promise<Sandbox>, takeChannel: TakeChannel) {
    this.#ssh = ssh;
    this.#sandbox = sandbox;
    this.#takeChannel = takeChannel;
  }

  /** The path of the socket; there is one for the connection. @throws what listening throws. */
  socket(): Promise<string> {
    this.#socket ??= this.#listen();
    return this.#socket;
  }

  async #listen(): Promise<string> {
    const path = `/tmp/skerry-agent-${letters(randomBytes(nameLetters), nameLetters)}`;
    const sandbox = await this.#sandbox;
    void leadOutward(await sandbox.listen({ path }), this.#takeChannel, () => this.#open);
    return path;
  }

  readonly #open: OpenChannel = (callback) => {
    const { _chanMgr: channels, _protocol: protocol } = this.#ssh as unknown as AgentOpener;
    const id = channels.add(callback);
    if (id === -1) callback(new Error("no channel is free"), null as never);
    else protocol.openssh_authAgent(id, windowBytes, packetBytes);
  };
}
