import { pino, type Logger } from "pino";

import { openControl, type Control, type ControlOptions } from "../control.ts";
import { openSqliteStore } from "../store/sqlite-store.ts";
import type { Store } from "../store/store.ts";
import { FakeHost } from "./fake-host.ts";
import { RpcClient, type SocketOptions } from "./rpc-client.ts";

/** A control plane over fake machines on a free port, and what a test wants of it. */
export interface Fixture extends AsyncDisposable {
  readonly control: Control;
  readonly host: FakeHost;
  readonly store: Store;
  readonly token: string;
  readonly port: number;
  /** Lines of the log, as JSON. */
  readonly log: string[];
  /** Opens the socket of a new sandbox. */
  create(
    config?: unknown,
    headers?: Readonly<Record<string, string>>,
    options?: SocketOptions,
  ): Promise<RpcClient>;
  /** Opens another socket of a sandbox. */
  connect(id: string, options?: SocketOptions): Promise<RpcClient>;
  /** Sends an HTTP request with the token. */
  fetch(
    path: string,
    init?: { readonly method?: string; readonly body?: string; readonly authorization?: string },
  ): Promise<Response>;
}

/** Starts one; disposing of it ends everything. */
export async function startControl(options: Partial<ControlOptions> = {}): Promise<Fixture> {
  const lines: string[] = [];
  const host = options.host instanceof FakeHost ? options.host : new FakeHost();
  const store = options.store ?? openSqliteStore(":memory:");
  const control = await openControl(
    {
      ...{ host, store, log: logTo(lines), version: "0.0.0-test", regions: ["ord", "ams"] },
      ...options,
    },
    AbortSignal.timeout(10_000),
  );
  const { port } = await control.listen("127.0.0.1", 0);
  const { token } = await control.tokens.issue("test");
  const authorization = `Bearer ${token}`;
  const base = `127.0.0.1:${port}`;
  return {
    ...{ control, host, store, token, port, log: lines },
    create: (config = {}, headers = {}, socketOptions = {}) =>
      RpcClient.open(
        `ws://${base}/api/v3/sandboxes/create`,
        {
          ...{ authorization, "x-deno-sandbox-config": btoa(JSON.stringify(config)) },
          ...headers,
        },
        socketOptions,
      ),
    connect: (id, socketOptions) =>
      RpcClient.open(`ws://${base}/api/v3/sandbox/${id}/connect`, { authorization }, socketOptions),
    fetch: (path, { method = "GET", body, ...headers } = {}) =>
      fetch(`http://${base}${path}`, {
        ...{ method, headers: { authorization, ...headers } },
        ...(body !== undefined && { body }),
      }),
    async [Symbol.asyncDispose]() {
      await control.close();
      await store[Symbol.asyncDispose]();
    },
  };
}

function logTo(lines: string[]): Logger {
  return pino({ level: "debug" }, { write: (line: string) => void lines.push(line) });
}
