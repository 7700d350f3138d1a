import { randomBytes } from "node:crypto";

import { placeholderPrefix } from "@skerry/protocol";

/** What stands for a secret in a machine. It says nothing of the secret, and nobody guesses it. */
export function makePlaceholder(): string {
  return placeholderPrefix + randomBytes(32).toString("hex");
}
