import type { ReadStream, WriteStream } from "node:tty";

import type { ChildProcess, TerminalOptions } from "@skerry/sdk";

import type { Context } from "./context.ts";
import { UsageError } from "./failure.ts";

/** The terminal of this process, to be lent to a command. */
export interface Terminal {
  size(): TerminalOptions;
  /** Passes keys and changes of its size to the command until it is disposed of, which gives it back. */
  join(child: ChildProcess): Disposable;
}

/**
 * The terminal, when there is one and it is wanted.
 *
 * @param isWanted Undefined: when there is one. @throws {UsageError} when it is wanted and not there.
 */
export function terminalOf(context: Context, isWanted: boolean | undefined): Terminal | null {
  const { stdin, stdout, config } = context;
  if (isWanted === false) return null;
  if (!isInput(stdin) || !isOutput(stdout)) {
    if (isWanted === true) throw new UsageError("--tty needs a terminal as input and output");
    return null;
  }
  return {
    size: () => ({ rows: stdout.rows, cols: stdout.columns, term: config.term }),
    join(child) {
      const resized = (): void => {
        child.resize(stdout.rows, stdout.columns).catch(() => {}); // it has ended meanwhile
      };
      stdin.setRawMode(true);
      stdout.on("resize", resized);
      return {
        [Symbol.dispose]: () => {
          stdin.setRawMode(false);
          stdout.off("resize", resized);
        },
      };
    },
  };
}

function isInput(stream: object): stream is ReadStream {
  return "isTTY" in stream && stream.isTTY === true && "setRawMode" in stream;
}

function isOutput(stream: object): stream is WriteStream {
  return "isTTY" in stream && stream.isTTY === true && "rows" in stream;
}
