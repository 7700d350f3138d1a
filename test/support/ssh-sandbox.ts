import assert from "node:assert/strict";

import { Sandbox, type SshAccess } from "@skerry/sdk";

import { makeTestHome } from "./machine-home.ts";
import { startServer, type ServerOptions, type TestServer } from "./server.ts";
import { sshConfig } from "./ssh.ts";

/** A sandbox on a server of its own, a way into it, and a directory for what its clients need. */
export interface SshSandbox extends AsyncDisposable {
  readonly server: TestServer;
  readonly sandbox: Sandbox;
  readonly access: SshAccess;
  readonly directory: string;
  /** The file by which `ssh -F FILE box` enters. */
  readonly config: string;
}

export async function startSshSandbox(options?: ServerOptions): Promise<SshSandbox> {
  await using stack = new AsyncDisposableStack();
  const { path: directory } = stack.use(makeTestHome());
  const server = stack.use(await startServer(options));
  const { url: endpoint, token } = server;
  const sandbox = stack.use(await Sandbox.create({ endpoint, token, ssh: true }));
  const access = sandbox.ssh;
  assert.ok(access !== undefined);
  const config = sshConfig(directory, access);
  const owned = stack.move();
  return {
    ...{ server, sandbox, access, directory, config },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
