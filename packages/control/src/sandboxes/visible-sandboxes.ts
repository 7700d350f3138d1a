import { SandboxError, type SandboxId } from "@skerry/protocol";

import type { SandboxEvent, SandboxRow } from "../store/store.ts";
import { userOf, type Principal } from "../tokens/principal.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { SandboxOwner, SandboxSpec } from "./spec.ts";

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

  /** How many of the organization hold a machine now. @throws {SandboxError} `FORBIDDEN` */
  get count(): number {
    return this.#all.countOf(userOf(this.#principal).organizationId);
  }

  /** How many it may have. */
  get max(): number {
    return this.#all.organizationMax;
  }

  /** @throws {SandboxError} `FORBIDDEN`, and what {@link Sandboxes.create} throws. */
  async create(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    const { organizationId, id: createdBy } = userOf(this.#principal);
    return await this.#all.create(spec, { organizationId, createdBy }, signal);
  }

  /** @throws {SandboxError} `SANDBOX_NOT_FOUND` when no sandbox with this id runs. */
  get(id: SandboxId): Sandbox {
    const sandbox = this.#all.get(id);
    this.#needsReach(id, sandbox.owner);
    return sandbox;
  }

  /** What {@link Sandboxes.enter} is for whoever may. @throws {SandboxError} `SANDBOX_NOT_FOUND` */
  async enter(id: SandboxId): Promise<Sandbox> {
    this.get(id);
    return await this.#all.enter(id);
  }

  /** @throws {SandboxError} `SANDBOX_NOT_FOUND` when it never was, or is forgotten. */
  async find(id: SandboxId): Promise<SandboxRow> {
    const row = await this.#all.find(id);
    this.#needsReach(id, row);
    return row;
  }

  /** @throws {SandboxError} `SANDBOX_NOT_FOUND` */
  async events(id: SandboxId): Promise<readonly SandboxEvent[]> {
    await this.find(id);
    return await this.#all.events(id);
  }

  /** Running and lately stopped ones that have all of `labels`, newest first. @throws {SandboxError} `FORBIDDEN` */
  async list(labels: Readonly<Record<string, string>>): Promise<readonly SandboxRow[]> {
    return await this.#all.list(userOf(this.#principal).organizationId, labels);
  }

  #needsReach(id: SandboxId, { organizationId }: SandboxOwner): void {
    const by = this.#principal;
    const isReached =
      (by.kind === "user" && by.user.organizationId === organizationId) ||
      (by.kind === "sandbox" && by.sandboxId === id);
    if (!isReached) throw new SandboxError("SANDBOX_NOT_FOUND");
  }
}
