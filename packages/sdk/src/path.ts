import { InvalidOptionError } from "./errors.ts";

/** A path inside a sandbox: text, or a `file:` URL. Relative to the home directory of the user. */
export type SandboxPath = string | URL;

/** The path as the wire carries it. @throws {InvalidOptionError} when a URL is not a `file:` URL. */
export function pathText(path: SandboxPath): string {
  if (typeof path === "string") return path;
  if (path.protocol !== "file:") {
    throw new InvalidOptionError(`A path cannot be a ${path.protocol} URL.`, {
      remedy: "Pass a text or a file: URL.",
    });
  }
  return decodeURIComponent(path.pathname);
}
