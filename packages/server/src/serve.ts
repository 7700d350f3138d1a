import type { AddressInfo } from "node:net";

import { openControl, openSqliteStore, type IngressOptions, type Tokens } from "@skerry/control";
import { openGateway, type Gateway } from "@skerry/gateway";
import type { HostStatus, IngressEndpoint, SandboxId } from "@skerry/protocol";
import { openLog } from "@skerry/service";
import type { Logger } from "pino";

import manifest from "../package.json" with { type: "json" };
import type { ServeConfig } from "./config.ts";
import { dnsRecords } from "./dns-records.ts";
import {
  defaultToken,
  gatewayToken,
  ingressDirectoryOf,
  openHome,
  publishEndpoint,
  vaultKey,
  sshHostKeyOf,
  type Home,
} from "./home.ts";
import { openMachines, type OpenOwnHost, type OwnHost } from "./machines.ts";

/** A server that takes requests. */
export interface RunningServer extends AsyncDisposable {
  /** `http://127.0.0.1:8420` */
  readonly url: string;
  /** Where exposed servers are reached; null: nowhere. */
  readonly ingress: IngressEndpoint | null;
  /** The token of the host's owner. */
  readonly token: string;
  readonly home: string;
  hostStatus(): HostStatus;
  /** Resolves when the machines that shall wait are ready; rejects when that fails. */
  warm(signal: AbortSignal): Promise<void>;
  /** Ends all sandboxes, unless they are to be kept, and everything else of the server. */
  close(): Promise<void>;
}

/** What a server may be built with instead of the real thing. */
export interface ServeParts {
  readonly openHost?: OpenOwnHost;
  readonly log?: Logger;
}

/**
 * Starts a server: takes the home, opens the store and the machines, takes up what an earlier process
 * left, listens, and says where in `run/endpoint.json`. When it fails or `signal` aborts, nothing is
 * left running.
 */
export async function serve(
  config: ServeConfig,
  signal: AbortSignal,
  parts: ServeParts = {},
): Promise<RunningServer> {
  const { openHost = openMachines, log = openLog(config.logLevel, config.logFile) } = parts;
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await openHome(config.home));
  const store = stack.use(openSqliteStore(home.databasePath));
  const host = await openHost(config, log, signal);
  let kept: ReadonlySet<SandboxId> = new Set();
  stack.defer(async () => {
    if (kept.size > 0 && host.close !== undefined) await host.close(kept);
    else await host[Symbol.asyncDispose]();
  });
  const ingress = ingressOptions(config, home);
  const made = { host, store, log, ingress, vaultKey: await vaultKey(home) };
  const control = await openControl({ ...controlOptions(config), ...made }, signal);
  stack.defer(async () => {
    kept = await control.close(config.keepSandboxes);
  });
  signal.throwIfAborted();
  const url = urlOf(await control.listen(config.listen.host, config.listen.port));
  const { https } = config;
  const exposed = https === null ? null : await control.listenHttps(https.host, https.port);
  const warming = stack.use(startWarming(host, log));
  const token = await defaultToken(home, control.tokens);
  const { version } = manifest;
  const startedAt = new Date().toISOString();
  const { tokens } = control;
  const gateway = await startGateway(config, { home, tokens, url, log });
  if (gateway !== null) stack.use(gateway);
  const ssh = gateway?.endpoint ?? null;
  const endpoint = { url, ingress: exposed, ssh, pid: process.pid, startedAt, version, token };
  stack.use(await publishEndpoint(home, endpoint));
  signal.throwIfAborted();
  log.info(
    { url, https: exposed?.url, home: home.path, version, host: host.status() },
    "server ready",
  );
  const owned = stack.move();
  const close = async (): Promise<void> => {
    await owned.disposeAsync();
    log.info("server stopped");
  };
  return {
    ...{ url, ingress: exposed, token, home: home.path, close, [Symbol.asyncDispose]: close },
    hostStatus: () => host.status(),
    warm: (until) => warming.done(until),
  };
}

function controlOptions(config: ServeConfig) {
  const { regions, sandboxesMax, organizationSandboxesMax, lifetimeMaxMs, allowedOrigins } = config;
  return {
    ...{ regions, sandboxesMax, organizationSandboxesMax, lifetimeMaxMs, allowedOrigins },
    version: manifest.version,
  };
}

/** Lets SSH in: the gateway is a client of the API like any other, with a token that is good for little else. */
async function startGateway(
  { ssh }: ServeConfig,
  {
    home,
    tokens,
    url,
    log,
  }: {
    readonly home: Home;
    readonly tokens: Tokens;
    readonly url: string;
    readonly log: Logger;
  },
): Promise<Gateway | null> {
  if (ssh === null) return null;
  return await openGateway({
    ...{ host: ssh.host, port: ssh.port, publicHost: ssh.publicHost ?? undefined },
    allowsAgent: ssh.allowsAgent,
    ...{ hostKeyFile: sshHostKeyOf(home), endpoint: url, log },
    token: await gatewayToken(home, tokens),
  });
}

function ingressOptions({ https }: ServeConfig, home: Home): IngressOptions | null {
  if (https === null) return null;
  const { baseDomain, publicPort, certificateFiles, acme: asked } = https;
  const acme = asked && { ...asked, setRecord: dnsRecords(asked.dnsProgram) };
  return { directory: ingressDirectoryOf(home), baseDomain, publicPort, certificateFiles, acme };
}

interface Warming extends AsyncDisposable {
  done(signal: AbortSignal): Promise<void>;
}

/** Warms the host up behind the back of the first requests. */
function startWarming(host: OwnHost, log: Logger): Warming {
  const ending = new AbortController();
  const warmed = (async () => await host.warmUp?.(ending.signal))();
  const settled = warmed.catch((error: unknown) => {
    if (!ending.signal.aborted) log.error({ err: error }, "machines not warmed up");
  });
  return {
    async done(signal) {
      await warmed;
      await host.poolFull?.(AbortSignal.any([signal, ending.signal]));
    },
    async [Symbol.asyncDispose]() {
      ending.abort();
      await settled;
    },
  };
}

function urlOf({ address, port }: AddressInfo): string {
  const everywhere: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const host = everywhere[address] ?? address;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
