import { NotImplementedError } from "@skerry/sdk";

/** Verbs of `deno sandbox` that Skerry will have, and what each is about. */
const laterVerbs: Readonly<Record<string, string>> = {
  deploy: "Deploying an app",
  volumes: "Managing volumes",
  snapshots: "Managing snapshots",
  switch: "Choosing an organization",
};

/** @throws {NotImplementedError} for a verb that is not there yet. */
export function refuseLaterVerb(name: string): void {
  const about = Object.hasOwn(laterVerbs, name) ? laterVerbs[name] : undefined;
  if (about !== undefined) throw new NotImplementedError(about);
}
