import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";

import { Endpoint, type IngressEndpoint } from "@skerry/protocol";

import { makeTestHome, prepared, shareAcceleration, type TestHome } from "./machine-home.ts";

const readyMs = 120_000;
const stopMs = 30_000;

export interface ServerOptions {
  /** Machines kept ready; 0 by default, so that a test pays only for what it asks for. */
  readonly pool?: number;
  readonly args?: readonly string[];
  /** What is run in the place of the server's own program. */
  readonly program?: string;
  /** A home to use again, as after a restart. The caller disposes of it. */
  readonly home?: TestHome;
  /** Variables beside those of the test. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real server in a process of its own. Disposing of it stops it in order and removes its home. */
export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly ingress: IngressEndpoint;
  readonly token: string;
  readonly home: string;
  readonly process: ChildProcess;
  /** What the server has printed so far. */
  readonly output: () => string;
  /** Settles when the process has ended. */
  readonly ended: Promise<number | null>;
}

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const { home: shared } = prepared();
  await using stack = new AsyncDisposableStack();
  const home = options.home ?? stack.use(makeTestHome(shared));
  cpSync(join(shared, "setup.json"), join(home.path, "setup.json"));
  const child = spawn(
    process.execPath,
    [
      ...[
        "--disable-warning=ExperimentalWarning",
        options.program ?? "packages/server/src/main.ts",
      ],
      ...["--home", home.path, "--listen", "127.0.0.1:0", "--https", "127.0.0.1:0"],
      ...["--ssh", "127.0.0.1:0"],
      ...["--pool", String(options.pool ?? 0), ...(options.args ?? [])],
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env, SKERRY_HOME: home.path },
    },
  );
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  stack.defer(() => stop(child, ended));
  const endpoint = await Promise.race([
    endpointOf(home.path, child),
    ended.then((code) => Promise.reject(new Error(`the server ended (${code}):\n${printed}`))),
  ]);
  stack.defer(() => shareAcceleration(home.path, shared)); // the trial may outlast the server's start
  const owned = stack.move();
  return {
    url: endpoint.url,
    ingress: ingressOf(endpoint),
    token: endpoint.token,
    home: home.path,
    process: child,
    output: () => printed,
    ended,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function ingressOf({ ingress }: Endpoint): IngressEndpoint {
  if (!ingress) throw new Error("the server exposes nothing");
  return ingress;
}

/** Waits for the file that a server writes when it is ready. */
async function endpointOf(home: string, child: ChildProcess): Promise<Endpoint> {
  const directory = join(home, "run");
  const file = join(directory, "endpoint.json");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const read = (): Endpoint | undefined => {
    if (!existsSync(file)) return undefined;
    try {
      const endpoint = Endpoint.parse(JSON.parse(readFileSync(file, "utf8")));
      return endpoint.pid === child.pid ? endpoint : undefined;
    } catch {
      return undefined; // half written: another event follows
    }
  };
  const { promise, resolve, reject } = Promise.withResolvers<Endpoint>();
  const look = (): void => {
    const endpoint = read();
    if (endpoint !== undefined) resolve(endpoint);
  };
  const watcher = watch(directory, { persistent: false }, look);
  const late = (): void => reject(new Error("the server was not ready in time"));
  const deadline = setTimeout(late, readyMs).unref(); // nobody waits once the server has ended
  try {
    look();
    return await promise;
  } finally {
    clearTimeout(deadline);
    watcher.close();
  }
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const deadline = setTimeout(() => child.kill("SIGKILL"), stopMs);
  await ended;
  clearTimeout(deadline);
}
