import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import {
  type EgressArguments,
  egressUserId,
  limits,
  type NetworkGrant,
  type Refusal,
  SandboxError,
} from "@skerry/protocol";
import type { Logger } from "pino";

import { ControlLine } from "./control-line.ts";
import { Egress } from "./egress.ts";

const run = promisify(execFile);

/** Numbers of machines and of gateways are from 1 to this, see `native/netns`. */
const numberMax = 16_383;
/** Gateways that other servers of this host may have before we give up. */
const attempts = 64;

/** Where egress listens in the gateway. */
export const gatewayPorts = { tcp: 5_000, dns: 5_353 } as const;

export interface NetworkOptions {
  /** `SKERRY_HOME`; the gateway's namespace is kept below it. */
  readonly home: string;
  /** `native/netns` */
  readonly program: string;
  /** The command of egress, which finds its sockets at the descriptors that it is told of. */
  readonly egress: readonly string[];
  /** The directory of the authority that machines trust. */
  readonly authority: string;
  /** Files with authorities that egress trusts beside those of this host. */
  readonly trust?: readonly string[] | undefined;
  /** Addresses with ports that egress lets names lead to, though no machine reaches them else. */
  readonly exceptions?: readonly string[] | undefined;
  /** Default: the name servers of this host. */
  readonly nameServers?: readonly string[] | undefined;
  readonly log: Logger;
}

const egressSockets = { connections: 3, namesTcp: 4, namesUdp: 5 } as const;

/** What one machine has of the network. Disposing of it gives the number back. */
export interface NetworkLink extends AsyncDisposable {
  readonly number: number;
  /** What runs a program in a network of the machine's own, with its tap as descriptor `fd`. */
  commandFor(fd: number): readonly string[];
  /** Opens the network, as far as a policy goes. @throws {SandboxError} `HOST_UNAVAILABLE` */
  set(grant: NetworkGrant): Promise<void>;
  /** Is called with what is refused. */
  onRefused: (refusal: Refusal) => void;
}

/**
 * The gateway between this server's machines and the host, as docs/design/0005-network.md draws it. What
 * is in it lives in the kernel: it outlives this process, and the next one of this home takes it up.
 */
export class Network {
  readonly gateway: string;
  readonly #program: string;
  readonly #number: number;
  readonly #control: ControlLine;
  readonly #egress: Egress;
  readonly #links = new Map<number, NetworkLink>();
  #last = 0;

  private constructor(options: NetworkOptions, number: number) {
    const { home, program, log } = options;
    this.gateway = gatewayFile(home);
    this.#program = program;
    this.#number = number;
    this.#control = new ControlLine([program, "control", "--gateway", this.gateway]);
    this.#egress = new Egress({
      command: egressCommand(options),
      onRefused: (machine, refusal) => this.#links.get(machine)?.onRefused(refusal),
      log,
    });
  }

  /** Brings the gateway up, and egress. @throws {SandboxError} `HOST_UNAVAILABLE` */
  static async open(options: NetworkOptions): Promise<Network> {
    await mkdir(join(options.home, "run"), { recursive: true, mode: 0o700 });
    const network = new Network(options, await bringUp(options));
    try {
      await network.#egress.ready();
      return network;
    } catch (error) {
      await network.close(false);
      throw error;
    }
  }

  /** A place for a new machine. */
  take(): NetworkLink {
    // In turn, since what a machine leaves in the kernel goes a moment after it.
    do this.#last = (this.#last % numberMax) + 1;
    while (this.#links.has(this.#last));
    return this.#link(this.#last, "closed");
  }

  /** The place that an adopted machine has. */
  claim(number: number): NetworkLink {
    return this.#link(number, undefined);
  }

  /** @param reach What the machine is known to have; each change that needs no looking is much quicker. */
  #link(number: number, reach: Reach | undefined): NetworkLink {
    let known = reach;
    const gateway = ["--gateway", this.gateway, "--number", String(number)];
    const link: NetworkLink = {
      number,
      onRefused: () => {},
      commandFor: (fd) => [this.#program, "machine", ...gateway, "--fd", String(fd), "--"],
      set: async (grant) => {
        const next = reachOf(grant);
        if (next === "open" && known === "open") return; // as it was made ready
        // Egress knows what it may before the kernel lets anything of it through.
        await this.#egress.set(number, grant);
        const from = known === undefined ? "" : ` from ${known}`;
        known = undefined;
        await this.#control.ask(`${next} ${number}${from}`);
        known = next;
      },
      [Symbol.asyncDispose]: async () => {
        this.#links.delete(number);
        await this.#egress.set(number, null);
      },
    };
    this.#links.set(number, link);
    return link;
  }

  /** @param keep Whether machines go on, and the gateway with them. */
  async close(keep: boolean): Promise<void> {
    await this.#egress[Symbol.asyncDispose]();
    await this.#control[Symbol.asyncDispose]();
    if (keep) return;
    const number = ["--number", String(this.#number)];
    await run(this.#program, ["down", "--gateway", this.gateway, ...number], {
      timeout: limits.networkSetUpMs,
    });
  }
}

/**
 * What the kernel lets a machine reach: nothing; egress; egress for TCP and all but what is always refused
 * for the rest; or all but what is always refused.
 */
type Reach = "closed" | "filtered" | "watched" | "open";

function reachOf({ policy, secrets }: NetworkGrant): Reach {
  if (policy.kind === "open") return secrets.length > 0 ? "watched" : "open";
  // With no rule at all there is nothing that egress could let through.
  return policy.rules.length === 0 ? "closed" : "filtered";
}

function egressCommand(options: NetworkOptions): readonly string[] {
  const { home, program, egress, authority } = options;
  const { trust = [], nameServers = [], exceptions = [] } = options;
  const { connections, namesTcp, namesUdp } = egressSockets;
  const settings: EgressArguments = {
    ...{ userId: egressUserId, ...egressSockets, authority },
    ...{ trust: [...trust], nameServers: [...nameServers], exceptions: [...exceptions] },
  };
  return [
    ...[program, "listen", "--gateway", gatewayFile(home)],
    ...["--transparent", `${gatewayPorts.tcp}:${connections}`],
    ...["--tcp", `${gatewayPorts.dns}:${namesTcp}`, "--udp", `${gatewayPorts.dns}:${namesUdp}`],
    ...["--", ...egress, JSON.stringify(settings)],
  ];
}

function gatewayFile(home: string): string {
  return join(home, "run", "gateway");
}

/** @returns the gateway's number, which tells it from those of other servers on this host. */
async function bringUp({ home, program, log }: NetworkOptions): Promise<number> {
  const file = gatewayFile(home);
  const numberFile = join(home, "run", "gateway-number");
  const kept = existsSync(file) ? Number(await readFile(numberFile, "utf8").catch(() => "")) : 0;
  const first = kept > 0 ? kept : numberOf(home);
  for (let attempt = 0; ; attempt += 1) {
    const number = ((first + attempt - 1) % numberMax) + 1;
    await writeFile(numberFile, String(number));
    const ports = ["--tcp-port", String(gatewayPorts.tcp), "--dns-port", String(gatewayPorts.dns)];
    try {
      const args = ["up", "--gateway", file, "--number", String(number), ...ports];
      await run(program, args, { timeout: limits.networkSetUpMs });
      log.debug({ number }, "gateway");
      return number;
    } catch (cause) {
      const said = String((cause as { stderr?: unknown }).stderr);
      if (!said.includes("is taken") || attempt === attempts || kept > 0) {
        throw new SandboxError("HOST_UNAVAILABLE", "the network cannot be set up", { cause });
      }
    }
  }
}

function numberOf(home: string): number {
  return (createHash("sha256").update(home).digest().readUInt16BE() % numberMax) + 1;
}
