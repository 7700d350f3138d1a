import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { egressProgram } from "@skerry/egress";
import { Network, type MachineImage, type MachineParts } from "@skerry/host";
import { pino } from "pino";

/** What the set-up of `npm test` has built, and where. */
export interface Prepared {
  readonly home: string;
  readonly image: MachineImage;
  readonly launcher: string;
  readonly netns: string;
  /** The directory of egress' authority. */
  readonly authority: string;
  readonly guestBinary: string;
}

/** Reads what the set-up left in `SKERRY_HOME`. */
export function prepared(): Prepared {
  const home = process.env["SKERRY_HOME"];
  if (home === undefined) throw new Error("run the tests through npm test, which does the set-up");
  const parts = JSON.parse(readFileSync(join(home, "setup.json"), "utf8")) as Omit<
    Prepared,
    "home"
  >;
  return { home, ...parts };
}

/** What a host is opened with. */
export function machineParts(): MachineParts {
  const { image, launcher, netns, authority } = prepared();
  const egress = [process.execPath, "--disable-warning=ExperimentalWarning", egressProgram];
  return { image, launcher, netns, authority, egress };
}

/** A network of a driver's own. */
export async function openNetwork(home: string): Promise<Network> {
  const { netns: program, egress, authority } = machineParts();
  const log = pino({ level: "silent" });
  return await Network.open({ home, program, egress, authority, log });
}

/** A home of a test's own, which shares the templates: making one takes as long as a boot. */
export interface TestHome extends Disposable {
  readonly path: string;
}

/** What the first server of a home found out about KVM spares all later ones a trial of 12 s. */
export function shareAcceleration(from: string, shared: string): void {
  const [found, known] = [join(from, accelerationFile), join(shared, accelerationFile)];
  if (existsSync(known) || !existsSync(found)) return;
  cpSync(found, `${known}.next`);
  renameSync(`${known}.next`, known);
}

const accelerationFile = "acceleration.json";

export function makeTestHome(shared?: string): TestHome {
  const path = mkdtempSync(join(tmpdir(), "skerry-test-"));
  if (shared !== undefined) {
    mkdirSync(join(shared, "templates"), { recursive: true });
    symlinkSync(join(shared, "templates"), join(path, "templates"));
    const acceleration = join(shared, accelerationFile);
    if (existsSync(acceleration)) cpSync(acceleration, join(path, accelerationFile));
  }
  return {
    path,
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
