import { limits, SandboxError, type SandboxId } from "@skerry/protocol";

import type { Clock } from "../clock.ts";
import type { Sandbox } from "../sandboxes/sandbox.ts";
import type { ExposeTarget, Store } from "../store/store.ts";
import { Invitations } from "./invitations.ts";
import { RequestLog } from "./request-log.ts";
import { Upstream } from "./upstream.ts";
import { makeName } from "./zone.ts";

/** A name of a running sandbox, and the way to what it leads to. */
export interface Exposure {
  readonly name: string;
  readonly isPrivate: boolean;
  readonly of: ExposedSandbox;
  /** Addresses of a private name that are good for one opening. */
  readonly invitations: Invitations;
  /** Null: reserved, and nobody has said yet what it leads to. */
  upstream: Upstream | null;
}

/** What the requests to all names of one sandbox share. */
export interface ExposedSandbox {
  readonly sandbox: Sandbox;
  readonly log: RequestLog;
  readonly names: Map<string, Exposure>;
  /** Requests that are under way. */
  running: number;
}

/**
 * The names of the sandboxes that run. The store has them too, so that a server that takes up a sandbox
 * takes up its names; here they end with their sandbox.
 */
export class Exposures {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #sandboxes = new Map<SandboxId, ExposedSandbox>();
  readonly #names = new Map<string, Exposure>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Takes up the names of sandboxes that an earlier process has given. */
  async adopt(sandboxes: readonly Sandbox[]): Promise<void> {
    for (const sandbox of sandboxes) {
      for (const row of await this.#store.exposures.list(sandbox.id)) {
        const { name, isPrivate, target } = row;
        this.#bind(this.#add(sandbox, name, isPrivate), target);
      }
    }
  }

  /**
   * Gives a sandbox a name that leads nowhere yet.
   *
   * @throws {SandboxError} `TOO_MANY_NAMES`
   */
  async reserve(sandbox: Sandbox, isPrivate: boolean): Promise<Exposure> {
    const given = this.#sandboxes.get(sandbox.id)?.names.size ?? 0;
    if (given >= limits.ingressNamesMax) {
      throw new SandboxError("TOO_MANY_NAMES", `${limits.ingressNamesMax}`);
    }
    const exposure = this.#add(sandbox, makeName(), isPrivate);
    const { name } = exposure;
    await this.#store.exposures.insert({ name, sandboxId: sandbox.id, isPrivate, target: null });
    return exposure;
  }

  /** Says what a name leads to. @throws {SandboxError} `NAME_NOT_FOUND` when it is not the sandbox's. */
  async bind(sandbox: Sandbox, name: string, target: ExposeTarget): Promise<void> {
    const exposure = this.ofSandbox(sandbox, name);
    this.#bind(exposure, target);
    await this.#store.exposures.setTarget(name, target);
    sandbox.record("http-exposed", { name, isPrivate: exposure.isPrivate, ...target });
  }

  /** A name of one sandbox. @throws {SandboxError} `NAME_NOT_FOUND` */
  ofSandbox(sandbox: Sandbox, name: string): Exposure {
    const exposure = this.#sandboxes.get(sandbox.id)?.names.get(name);
    if (exposure === undefined) throw new SandboxError("NAME_NOT_FOUND");
    return exposure;
  }

  /** The exposure of a name whose sandbox runs. */
  find(name: string): Exposure | undefined {
    const exposure = this.#names.get(name);
    return exposure?.of.sandbox.isRunning === true ? exposure : undefined;
  }

  #add(sandbox: Sandbox, name: string, isPrivate: boolean): Exposure {
    const of = this.#sandboxes.get(sandbox.id) ?? this.#start(sandbox);
    const exposure: Exposure = {
      ...{ name, isPrivate, of, upstream: null },
      invitations: new Invitations(),
    };
    of.names.set(name, exposure);
    this.#names.set(name, exposure);
    return exposure;
  }

  #start(sandbox: Sandbox): ExposedSandbox {
    const log = new RequestLog(sandbox, this.#clock);
    const of: ExposedSandbox = { sandbox, log, names: new Map(), running: 0 };
    this.#sandboxes.set(sandbox.id, of);
    void sandbox.ended.then(() => this.#end(of));
    return of;
  }

  #end({ sandbox, names }: ExposedSandbox): void {
    this.#sandboxes.delete(sandbox.id);
    for (const { name, upstream } of names.values()) {
      upstream?.close();
      this.#names.delete(name);
    }
  }

  #bind(exposure: Exposure, target: ExposeTarget | null): void {
    exposure.upstream?.close();
    const { sandbox } = exposure.of;
    exposure.upstream = target === null ? null : new Upstream(() => sandbox.guest, target);
  }
}
