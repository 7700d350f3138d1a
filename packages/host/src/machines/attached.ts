import { setTimeout } from "node:timers/promises";

import { limits, type Guest, type MachineEnd } from "@skerry/protocol";

import { GuestClient } from "../guest/guest-client.ts";
import { GuestLink } from "../guest/guest-link.ts";
import type { Machine } from "../vmm/driver.ts";

/** A machine whose guest answers. */
export interface Attached {
  readonly machine: Machine;
  readonly link: GuestLink;
  readonly guest: Guest;
}

/**
 * Connects to the guest of a machine. A guest that breaks the protocol later costs the machine:
 * nothing that it says can be trusted any more.
 *
 * @param isFresh Whether the guest is still booting; one that has spoken before is asked to greet
 *   again when it missed that its host came back.
 */
export async function attach(
  machine: Machine,
  isFresh: boolean,
  signal: AbortSignal,
): Promise<Attached> {
  const port = await machine.connect(signal);
  const link = await GuestLink.open(port, { canNudge: !isFresh, signal });
  void link.closed.then(() => endOf(machine));
  return { machine, link, guest: new GuestClient(link) };
}

/**
 * Ends a machine that does not answer any more. Most of those are ending already, and how they do so tells why: they get
 * a second for it.
 */
export async function endOf(machine: Machine): Promise<MachineEnd> {
  await Promise.race([machine.gone, setTimeout(limits.lastWordsMs, undefined, { ref: false })]);
  await machine[Symbol.asyncDispose]();
  return await machine.gone;
}
