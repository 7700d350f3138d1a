import { spawn } from "node:child_process";

/** A command that failed, as one line for the terminal. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  readonly exitCode: number;

  constructor(what: string, exitCode: number) {
    super(`${what} failed`);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a command that talks to the terminal itself.
 *
 * @throws {CommandFailed} when it does not end with 0.
 */
export async function run(
  what: string,
  command: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<void> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: "inherit", ...options });
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
  if (exitCode !== 0) throw new CommandFailed(what, exitCode);
}

/** Runs a tool's main function; a failure is one line and the exit code. */
export async function main(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = error instanceof CommandFailed ? error.exitCode : 1;
  }
}

/** Runs an executable of the project's npm packages. */
export function bin(name: string): string {
  return new URL(`../node_modules/.bin/${name}`, import.meta.url).pathname;
}
