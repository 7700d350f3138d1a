import { isSandboxId } from "../shape.ts";

/** One end of a copy: a path of this machine, or one of a sandbox. */
export type Operand =
  | { readonly kind: "local"; readonly path: string }
  | { readonly kind: "sandbox"; readonly id: string; readonly path: string };

/** Reads `ID:PATH` or `PATH`. An empty path of a sandbox is its home directory. */
export function operandOf(word: string): Operand {
  const at = word.indexOf(":");
  const id = word.slice(0, at);
  if (at < 0 || !isSandboxId(id)) return { kind: "local", path: word };
  const path = word.slice(at + 1);
  return { kind: "sandbox", id, path: path === "" ? "." : path };
}

/** Whether a path of a sandbox stands for those that match it. */
export function isGlob(path: string): boolean {
  return /[*?[{]/.test(path);
}
