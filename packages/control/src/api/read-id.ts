import { SandboxError, SandboxId } from "@skerry/protocol";

/** @throws {SandboxError} `SANDBOX_NOT_FOUND`: what is no id is the id of no sandbox. */
export function readId(text: string): SandboxId {
  const parsed = SandboxId.safeParse(text);
  if (!parsed.success) throw new SandboxError("SANDBOX_NOT_FOUND");
  return parsed.data;
}
