import type { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startControl, type Fixture } from "@skerry/control/testing";
import { openGateway, type Gateway } from "@skerry/gateway";
import { pino } from "pino";
import ssh2, { type ConnectConfig } from "ssh2";

/** A gateway before a control whose machines are fakes, with one sandbox. */
export interface FakeGateway extends AsyncDisposable {
  readonly control: Fixture;
  readonly gateway: Gateway;
  readonly sandboxId: string;
  /** By which the sandbox is entered. */
  readonly username: string;
  /** The gateway's log, whole. */
  readonly lines: readonly string[];
  /** A client that has logged in; null when it was thrown out. */
  enter(config: ClientOptions): Promise<ssh2.Client | null>;
  /** Whether somebody with the right username gets in. */
  isServed(localAddress?: string): Promise<boolean>;
  /** Tries one login after another, as often as it is let. @returns how often. */
  tryOn(localAddress: string, privateKey: string): Promise<number>;
}

/** How a client comes. */
export type ClientOptions = ConnectConfig & { readonly localAddress?: string };

/** Starts one; disposing of it ends everything. */
export async function startFakeGateway(): Promise<FakeGateway> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "skerry-gateway-"));
  stack.defer(() => rmSync(directory, { recursive: true }));
  const control = stack.use(await startControl());
  const { token } = await control.control.tokens.issueForGateway("test");
  const lines: string[] = [];
  const gateway = stack.use(
    await openGateway({
      ...{ host: "127.0.0.1", port: 0, hostKeyFile: join(directory, "key"), token },
      endpoint: `http://127.0.0.1:${control.port}`,
      log: pino({ level: "trace" }, { write: (line: string) => void lines.push(line) }),
    }),
  );
  const { sandboxId } = await control.create({ stop_at_ms: Date.now() + 600_000 });
  const answer = await control.fetch(`/api/v3/sandbox/${sandboxId}/expose/ssh`, { method: "POST" });
  const { username } = (await answer.json()) as { username: string };
  const enter = async (config: ClientOptions): Promise<ssh2.Client | null> => {
    const client = new ssh2.Client();
    const { promise, resolve } = Promise.withResolvers<ssh2.Client | null>();
    client.on("ready", () => resolve(client));
    client.on("error", () => {}); // `close` follows
    client.on("close", () => resolve(null));
    client.connect({ host: "127.0.0.1", port: gateway.endpoint.port, ...config });
    return await promise;
  };
  const owned = stack.move();
  return {
    ...{ control, gateway, sandboxId, username, lines, enter },
    async isServed(localAddress = "127.0.0.1") {
      const client = await enter({ username, localAddress });
      if (client === null) return false;
      const closed = closedOf(client);
      client.end();
      await closed;
      return true;
    },
    async tryOn(localAddress, privateKey) {
      let tries = 0;
      const next = () => {
        tries += 1;
        return { type: "publickey", username: sandboxId, key: privateKey };
      };
      await enter({ localAddress, username: sandboxId, authHandler: next as never }); // its types know fewer forms
      return tries;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** When a connection is over, however it ends. */
export async function closedOf(connection: EventEmitter): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  connection.on("error", () => {});
  connection.once("close", () => resolve());
  await promise;
}
