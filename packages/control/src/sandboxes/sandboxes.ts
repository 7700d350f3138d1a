import { randomBytes } from "node:crypto";

import {
  limits,
  makeSandboxId,
  SandboxError,
  type SandboxId,
  type SecretGrant,
} from "@skerry/protocol";

import type { EndReason, SandboxEvent, SandboxRow } from "../store/store.ts";
import { Sandbox } from "./sandbox.ts";
import type { SandboxContext, SandboxOwner, SandboxSpec } from "./spec.ts";

const forgetEveryMs = 3_600_000;

/** What the sandboxes of a server work with, and how many they may be. */
export interface SandboxesOptions extends SandboxContext {
  readonly sandboxesMax: number;
  /** Of one organization. */
  readonly organizationSandboxesMax: number;
}

/** The sandboxes of this server: makes them, finds them, and ends them all at the end. */
export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #live = new Map<SandboxId, Sandbox>();
  #isClosing = false;
  #forgottenAtMs = 0;

  constructor(options: SandboxesOptions) {
    this.#options = options;
  }

  /** How many hold a machine now, those that start and stop too. */
  get count(): number {
    return this.#live.size;
  }

  /** Those that hold a machine now. */
  live(): readonly Sandbox[] {
    return [...this.#live.values()];
  }

  /** How many of an organization hold a machine now. */
  countOf(organizationId: string): number {
    return this.live().filter(({ owner }) => owner.organizationId === organizationId).length;
  }

  /** How many an organization may have, if the others leave it room. */
  get organizationMax(): number {
    return this.#options.organizationSandboxesMax;
  }

  /**
   * Takes up the sandboxes of an earlier process that may live on, and marks all others as over.
   * Called once, before the first {@link create}.
   */
  async adopt(signal: AbortSignal): Promise<void> {
    const { host, store, clock } = this.#options;
    const now = clock.now();
    const rows = await store.sandboxes.running();
    const wanted = new Map(
      rows
        .filter(({ stopAtMs }) => stopAtMs !== null && stopAtMs > now)
        .map((row) => [row.id, row] as const),
    );
    const secrets = new Map<SandboxId, readonly SecretGrant[]>();
    for (const id of wanted.keys()) secrets.set(id, await this.#secretsOf(id));
    const machines = await host.adopt(secrets, signal);
    for (const machine of machines) {
      const row = wanted.get(machine.id);
      if (row === undefined) {
        await machine[Symbol.asyncDispose](); // not asked for
        continue;
      }
      wanted.delete(machine.id);
      const sandbox = this.#add(new Sandbox(row.id, row, row, row.createdAtMs, this.#options));
      sandbox.adopt(machine);
      sandbox.log.info("sandbox adopted");
    }
    for (const row of rows) {
      if (!this.#live.has(row.id)) await this.#markOver(row, reasonFor(row, now));
    }
    await this.#forgetOld();
  }

  async #secretsOf(id: SandboxId): Promise<readonly SecretGrant[]> {
    const { store, vault, log } = this.#options;
    const rows = await store.secrets.list(id);
    return rows.flatMap(({ name, sealed }) => {
      try {
        return [vault.open(id, sealed)];
      } catch (error) {
        log.error({ err: error, sandboxId: id, secret: name }, "secret not opened: it is lost");
        return [];
      }
    });
  }

  /**
   * Creates a sandbox and waits until it runs. When it fails or `signal` aborts, nothing is left.
   *
   * @throws {SandboxError} `TOO_MANY_SANDBOXES`, `SHUTTING_DOWN`, `CANCELLED`, and the host's codes.
   */
  async create(spec: SandboxSpec, owner: SandboxOwner, signal: AbortSignal): Promise<Sandbox> {
    if (this.#isClosing) throw new SandboxError("SHUTTING_DOWN");
    this.#needsRoom(owner);
    const id = makeSandboxId(spec.region, randomBytes(20));
    const now = this.#options.clock.now();
    const sandbox = this.#add(new Sandbox(id, owner, spec, now, this.#options));
    try {
      await sandbox.start(spec, signal);
      return sandbox;
    } catch (error) {
      await sandbox.ended;
      throw error;
    }
  }

  #needsRoom({ organizationId }: SandboxOwner): void {
    const { sandboxesMax, organizationSandboxesMax } = this.#options;
    if (this.count >= sandboxesMax) {
      throw new SandboxError("TOO_MANY_SANDBOXES", `${sandboxesMax} at the same time`);
    }
    if (this.countOf(organizationId) >= organizationSandboxesMax) {
      const many = `${organizationSandboxesMax} of one organization at the same time`;
      throw new SandboxError("TOO_MANY_SANDBOXES", many);
    }
  }

  /** The sandbox with this id, if it runs. */
  running(id: SandboxId): Sandbox | undefined {
    const sandbox = this.#live.get(id);
    return sandbox?.isRunning === true ? sandbox : undefined;
  }

  /**
   * The sandbox for somebody who comes in, which runs when this resolves: where there are paused ones, it
   * is here that they are resumed. Whoever asks has been let in already; who is refused wakes nothing.
   *
   * @throws {SandboxError} `SANDBOX_NOT_FOUND` when no sandbox with this id runs.
   */
  async enter(id: SandboxId): Promise<Sandbox> {
    return this.get(id);
  }

  /** @throws {SandboxError} `SANDBOX_NOT_FOUND` when no sandbox with this id runs. */
  get(id: SandboxId): Sandbox {
    const sandbox = this.running(id);
    if (sandbox === undefined) throw new SandboxError("SANDBOX_NOT_FOUND");
    return sandbox;
  }

  /** Running and lately stopped ones of an organization that have all of `labels`, newest first. */
  async list(
    organizationId: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<readonly SandboxRow[]> {
    const filter = { organizationId, labels, limit: limits.listMax };
    return await this.#options.store.sandboxes.list(filter);
  }

  /** @throws {SandboxError} `SANDBOX_NOT_FOUND` when it never was, or is forgotten. */
  async find(id: SandboxId): Promise<SandboxRow> {
    const row = await this.#options.store.sandboxes.find(id);
    if (row === null) throw new SandboxError("SANDBOX_NOT_FOUND");
    return row;
  }

  /** @throws {SandboxError} `SANDBOX_NOT_FOUND` */
  async events(id: SandboxId): Promise<readonly SandboxEvent[]> {
    await this.find(id);
    return await this.#options.store.events.list(id);
  }

  /**
   * Ends all sandboxes and takes no new ones; resolves when nothing of them is left.
   *
   * @param keep Leaves those with a duration running, for the next process to {@link adopt}.
   * @returns the sandboxes that were left running.
   */
  async close(keep = false): Promise<ReadonlySet<SandboxId>> {
    this.#isClosing = true;
    const all = this.live();
    const kept = keep
      ? all.filter(({ isRunning, stopAtMs }) => isRunning && stopAtMs !== null)
      : [];
    for (const sandbox of all) sandbox.request({ kind: keep ? "hand-over" : "shutdown" });
    await Promise.all(all.map(({ ended }) => ended));
    return new Set(kept.map(({ id }) => id));
  }

  #add(sandbox: Sandbox): Sandbox {
    this.#live.set(sandbox.id, sandbox);
    void sandbox.ended.then(async () => {
      this.#live.delete(sandbox.id);
      await this.#forgetOld();
    });
    return sandbox;
  }

  async #markOver(row: SandboxRow, reason: EndReason): Promise<void> {
    const { store, clock } = this.#options;
    const atMs = clock.now();
    await store.sandboxes.setStopped(row.id, atMs, reason);
    await store.events.append({ sandboxId: row.id, atMs, kind: "stopped", detail: { reason } });
  }

  async #forgetOld(): Promise<void> {
    const { store, clock, log } = this.#options;
    const now = clock.now();
    if (now - this.#forgottenAtMs < forgetEveryMs) return;
    this.#forgottenAtMs = now;
    try {
      await store.sandboxes.forgetStopped(now - limits.stoppedKeptMs);
    } catch (error) {
      log.warn({ err: error }, "old sandboxes not forgotten"); // the next hour tries again
    }
  }
}

function reasonFor(row: SandboxRow, now: number): EndReason {
  if (row.stopAtMs === null) return "session-closed";
  return row.stopAtMs <= now ? "expired" : "lost";
}
