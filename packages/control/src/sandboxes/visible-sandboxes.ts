import { SandboxError, type SandboxId } from "@skerry/protocol";

import type { SandboxEvent, SandboxRow } from "../store/store.ts";
import type { Principal } from "../tokens/principal.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { SandboxSpec } from "./spec.ts";

/**
 * The sandboxes as somebody may know them: all others look like those that never were. Whatever answers
 * a request finds sandboxes here and nowhere else.
 */
export class VisibleSandboxes {
  readonly #all: Sandboxes;
  readonly #principal: Principal;

  constructor(all: Sandboxes, principal: Principal) {
    this.#all = all;
    this.#principal = principal;
  }

  /** How many hold a machine now. */
  get count(): number {
    return this.#all.count;
  }

  get max(): number {
    return this.#all.max;
  }

  /** @throws {SandboxError} `FORBIDDEN`, and what {@link Sandboxes.create} throws. */
  async create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    this.#needsUser();
    return await this.#all.create(spec, signal);
  }

  /** @throws {SandboxError} `SANDBOX_NOT_FOUND` when no sandbox with this id runs. */
  get(id: SandboxId): Sandbox {
    this.#needsReach(id);
    return this.#all.get(id);
  }

  /** @throws {SandboxError} `SANDBOX_NOT_FOUND` when it never was, or is forgotten. */
  async find(id: SandboxId): Promise<SandboxRow> {
    this.#needsReach(id);
    return await this.#all.find(id);
  }

  /** @throws {SandboxError} `SANDBOX_NOT_FOUND` */
  async events(id: SandboxId): Promise<readonly SandboxEvent[]> {
    await this.find(id);
    return await this.#all.events(id);
  }

  /** Running and lately stopped ones that have all of `labels`, newest first. @throws {SandboxError} `FORBIDDEN` */
  async list(labels: Readonly<Record<string, string>>): Promise<readonly SandboxRow[]> {
    this.#needsUser();
    return await this.#all.list(labels);
  }

  #needsUser(): void {
    if (this.#principal.scope.kind !== "user") throw new SandboxError("FORBIDDEN");
  }

  #needsReach(id: SandboxId): void {
    const { scope } = this.#principal;
    const isReached = scope.kind === "user" || scope.sandboxId === id;
    if (!isReached) throw new SandboxError("SANDBOX_NOT_FOUND");
  }
}
