import { UsageError } from "./failure.ts";

/** A port, as a word of a command line. @throws {UsageError} when it is none. */
export function portOf(word: string): number {
  const port = /^\d{1,5}$/.test(word) ? Number(word) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new UsageError(`a port is a number from 1 to 65535, and this is ${JSON.stringify(word)}`);
}
