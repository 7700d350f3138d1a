import { limits, type Guest, type GuestProcess } from "@skerry/protocol";

import type { Clock } from "../../clock.ts";
import { outputLost } from "../failures.ts";
import { KeptOutput } from "./kept-output.ts";

/** A process whose output outlives the socket that it goes to. */
export interface KeptProcess {
  readonly child: GuestProcess;
  /** Null where the client has asked for none. */
  readonly stdout: KeptOutput | null;
  readonly stderr: KeptOutput | null;
}

interface Entry extends KeptProcess {
  /** Whose client takes the output; null when its socket is gone. */
  owner: object | null;
  hasEnded: boolean;
  timer: Disposable | null;
}

/** Which outputs of a new process to keep. */
export interface Wanted {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** The processes of one machine that were spawned with `keep`. */
export class KeptProcesses {
  /** By pid, the oldest first. */
  readonly #entries = new Map<number, Entry>();

  /** Keeps a process that was just started, whose output goes to `owner`. */
  add(child: GuestProcess, wanted: Wanted, owner: object): KeptProcess {
    const { pid } = child;
    this.#letGo(pid); // one of that number has ended long ago
    const done = (): void => this.#forgetDone(pid, entry);
    const keep = (output: GuestProcess["stdout"], isWanted: boolean): KeptOutput | null =>
      output === null || !isWanted ? null : new KeptOutput(output, done);
    const entry: Entry = {
      child,
      stdout: keep(child.stdout, wanted.stdout),
      stderr: keep(child.stderr, wanted.stderr),
      ...{ owner, hasEnded: false, timer: null },
    };
    this.#entries.set(pid, entry);
    const ended = (): void => {
      entry.hasEnded = true;
      done();
      this.#bound();
    };
    void child.exit.then(ended, ended);
    return entry;
  }

  /** Gives the output of a process to another owner. @throws {CallFailure} `OUTPUT_LOST` */
  attach(pid: number, owner: object): KeptProcess {
    const entry = this.#entries.get(pid);
    if (entry === undefined) throw outputLost();
    entry.owner = owner;
    entry.timer?.[Symbol.dispose]();
    entry.timer = null;
    return entry;
  }

  has(child: GuestProcess): boolean {
    return this.#entries.get(child.pid)?.child === child;
  }

  /** The socket of `owner` is gone. Another has `limits.keptOutputMs` to come for its outputs. */
  leave(owner: object, clock: Clock): void {
    for (const [pid, entry] of this.#entries) {
      if (entry.owner !== owner) continue;
      entry.owner = null;
      entry.timer = clock.setTimer(limits.keptOutputMs, () => this.#letGo(pid));
    }
    this.#bound();
  }

  #forgetDone(pid: number, entry: Entry): void {
    const isRead = (entry.stdout?.isDone ?? true) && (entry.stderr?.isDone ?? true);
    if (!entry.hasEnded || !isRead || this.#entries.get(pid) !== entry) return;
    entry.timer?.[Symbol.dispose]();
    this.#entries.delete(pid);
  }

  #letGo(pid: number): void {
    const entry = this.#entries.get(pid);
    if (entry === undefined) return;
    this.#entries.delete(pid);
    entry.timer?.[Symbol.dispose]();
    entry.stdout?.letGo();
    entry.stderr?.letGo();
    if (entry.owner === null && !entry.hasEnded) entry.child.detach();
  }

  /** Of those that a client may never ask for again, only the newest are kept. */
  #bound(): void {
    const isIdle = ({ owner, hasEnded }: Entry): boolean => owner === null || hasEnded;
    const idle = [...this.#entries].filter(([, entry]) => isIdle(entry));
    for (const [pid] of idle.slice(0, Math.max(0, idle.length - limits.keptProcessesMax))) {
      this.#letGo(pid);
    }
  }
}

const ofGuests = new WeakMap<Guest, KeptProcesses>();

/** Those of a machine, whichever socket asks. */
export function keptProcessesOf(guest: Guest): KeptProcesses {
  const known = ofGuests.get(guest);
  if (known !== undefined) return known;
  const kept = new KeptProcesses();
  ofGuests.set(guest, kept);
  return kept;
}
