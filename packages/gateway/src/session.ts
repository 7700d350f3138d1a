import { limits } from "@skerry/protocol";
import {
  OperationError,
  type ChildProcess,
  type Sandbox,
  type Signal,
  type TerminalOptions,
} from "@skerry/sdk";
import type { PseudoTtyInfo, ServerChannel, Session } from "ssh2";

import type { Agent } from "./agent.ts";
import { joinProcess } from "./bridge.ts";

const sftpServer = "/usr/lib/openssh/sftp-server";
/** Names of variables that programs take, and letters that a terminal's name has. */
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const terminalName = /^[A-Za-z0-9._+-]{1,64}$/;

/** What runs in a session: a shell, a command, or a subsystem. */
export interface Program {
  readonly kind: "shell" | "exec" | "sftp";
  /** For the event log; without the variables. */
  readonly command: string | null;
}

/** Says yes or no to a request, where the client wants to know. */
type Answer = (() => void) | undefined;

/** Is told of each program that a session starts. */
export type OnProgram = (program: Program) => void;

/** One session of a connection: a terminal, variables, then one program. */
export class SandboxSession {
  readonly #sandbox: Promise<Sandbox>;
  readonly #agent: Agent | null;
  readonly #onProgram: OnProgram;
  readonly #variables: Record<string, string> = {};
  #terminal: TerminalOptions | undefined;
  #agentSocket: Promise<string> | undefined;
  #child: ChildProcess | undefined;

  /** @param agent Null when the client's agent is not lent to sandboxes. */
  constructor(
    session: Session,
    sandbox: Promise<Sandbox>,
    agent: Agent | null,
    onProgram: OnProgram,
  ) {
    this.#sandbox = sandbox;
    this.#agent = agent;
    this.#onProgram = onProgram;
    session.on("pty", (accept, reject, asked) => {
      const { term = "" }: PseudoTtyInfo & { readonly term?: string } = asked;
      // Nothing is what clients say that have no window (RFC 4254, 6.2).
      const { rows, cols } = { rows: asked.rows || 24, cols: asked.cols || 80 };
      if (!isSize(rows) || !isSize(cols)) return reject?.();
      this.#terminal = { rows, cols, term: terminalName.test(term) ? term : undefined };
      accept?.();
    });
    session.on("env", (accept, reject, { key, val }) => {
      if (this.#setVariable(key, val)) accept?.();
      else reject?.();
    });
    session.on("window-change", (accept, _reject, { rows, cols }) => {
      accept?.();
      if (!isSize(rows) || !isSize(cols)) return;
      if (this.#terminal !== undefined) this.#terminal = { ...this.#terminal, rows, cols };
      // A program that has no terminal, or has ended, does not mind.
      void this.#child?.resize(rows, cols).catch(() => {});
    });
    session.on("signal", (accept, _reject, { name }) => {
      accept?.();
      void this.#child?.kill(`SIG${name}` as Signal).catch(() => {});
    });
    session.on("auth-agent", (accept, reject) => void this.#lendAgent(accept, reject));
    session.on("shell", (accept) => void this.#start(accept(), { kind: "shell", command: null }));
    session.on("exec", (accept, _reject, { command }) => {
      void this.#start(accept(), { kind: "exec", command });
    });
    session.on("subsystem", (accept, reject, { name }) => {
      if (name === "sftp") void this.#start(accept(), { kind: "sftp", command: null });
      else reject?.();
    });
  }

  /** Never rejects. */
  async #lendAgent(accept: Answer, reject: Answer): Promise<void> {
    if (this.#agent === null) return reject?.();
    this.#agentSocket = this.#agent.socket();
    try {
      await this.#agentSocket;
      accept?.();
    } catch {
      reject?.();
    }
  }

  #setVariable(name: string, value: string): boolean {
    const isKnown = Object.hasOwn(this.#variables, name);
    const isRoom = isKnown || Object.keys(this.#variables).length < limits.sshVariablesMax;
    const isGood = variableName.test(name) && !value.includes("\0");
    if (!isRoom || !isGood || name.length + value.length > limits.sshVariableBytesMax) return false;
    this.#variables[name] = value;
    return true;
  }

  /** Never rejects: what does not start says why where errors are read. */
  async #start(channel: ServerChannel, program: Program): Promise<void> {
    try {
      const sandbox = await this.#sandbox;
      this.#child = await this.#spawn(sandbox, program);
      this.#onProgram(program);
      await joinProcess(channel, this.#child);
    } catch (error) {
      channel.on("error", () => {});
      channel.stderr.write(`skerry: ${error instanceof Error ? error.message : String(error)}\r\n`);
      channel.exit(255);
      channel.end();
    }
  }

  async #spawn(sandbox: Sandbox, { kind, command }: Program): Promise<ChildProcess> {
    const pty = kind === "sftp" ? undefined : this.#terminal;
    const agent = await this.#agentSocket?.catch(() => undefined);
    const env = { ...this.#variables, ...(agent !== undefined && { SSH_AUTH_SOCK: agent }) };
    const options = {
      ...({ stdin: "piped", stdout: "piped", pty, env } as const),
      stderr: pty === undefined ? ("piped" as const) : ("null" as const),
    };
    if (kind === "sftp") return await sandbox.spawn(sftpServer, options);
    // As OpenSSH has it: a shell of its own when there is no command, and else one that reads it.
    const args = kind === "shell" ? ["-l"] : ["-c", command ?? ""];
    try {
      return await sandbox.spawn("bash", { ...options, args });
    } catch (error) {
      if (!(error instanceof OperationError) || error.code !== "ENOENT") throw error;
      return await sandbox.spawn("sh", { ...options, args });
    }
  }
}

function isSize(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= 65_535;
}
