import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where state lives: SKERRY_HOME, else `/var/lib/skerry` as root, else below the user's own directory. Absolute. */
export function defaultHome(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  isRoot: boolean = process.geteuid?.() === 0,
): string {
  const chosen = environment["SKERRY_HOME"];
  if (chosen !== undefined && chosen !== "") return resolve(chosen);
  return isRoot ? "/var/lib/skerry" : join(homedir(), ".local/share/skerry");
}
