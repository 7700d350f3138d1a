import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { SshEndpoint } from "@skerry/protocol";

/** A gateway in a process of its own. Disposing of it stops it. */
export interface TestGateway extends AsyncDisposable {
  readonly endpoint: SshEndpoint;
  readonly process: ChildProcess;
  /** What it has printed so far. */
  readonly output: () => string;
}

/** Starts one; resolves when it takes connections. */
export async function startGateway(
  endpoint: string,
  tokenFile: string,
  args: readonly string[] = [],
): Promise<TestGateway> {
  const child = spawn(
    process.execPath,
    [
      ...["packages/cli/src/main.ts", "gateway", "--endpoint", endpoint, "--token-file", tokenFile],
      ...["--listen", "127.0.0.1:0", ...args],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const ended = once(child, "exit");
  let printed = "";
  const { promise, resolve } = Promise.withResolvers<SshEndpoint>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    printed += `${line}\n`;
    if (line.includes('"gateway ready"')) resolve(SshEndpoint.parse(JSON.parse(line)));
  });
  const early = ended.then(() => Promise.reject(new Error(`the gateway ended:\n${printed}`)));
  return {
    endpoint: await Promise.race([promise, early]),
    process: child,
    output: () => printed,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
      await early.catch(() => {});
    },
  };
}
