import process from "node:process";

import { CommandFailure } from "./failure.ts";

/** The server and the gateway are packages of their own: where only clients are installed, there is none. */
const serverPackage = "@skerry/server";
const gatewayPackage = "@skerry/gateway";

/** A command of the server's package: reads its own arguments and gives the exit code. */
type ServerCommand = (args: readonly string[]) => Promise<number>;

/**
 * A command that the server's package has for the machine that it is installed on.
 *
 * @throws {CommandFailure} when it is not installed, or has no such command.
 */
export async function serverCommand(
  name: "imagesCommand",
  load: () => Promise<unknown> = () => import(resolveServer()),
): Promise<ServerCommand> {
  const server = await load();
  const command: unknown =
    typeof server === "object" && server !== null ? Reflect.get(server, name) : undefined;
  if (typeof command === "function") return command as ServerCommand; // by the name it is known by
  throw new CommandFailure(
    `the installed ${serverPackage} has no ${name}`,
    "Install its newest version.",
  );
}

/**
 * Becomes the server, or the SSH gateway alone: its program, beside its index, reads the arguments, takes
 * the signals and ends the process.
 *
 * @throws {CommandFailure} when it is not installed.
 */
export async function become(what: "server" | "gateway", args: readonly string[]): Promise<void> {
  const name = what === "server" ? serverPackage : gatewayPackage;
  const index = resolveServer((each) => import.meta.resolve(each), name);
  process.argv.splice(2, process.argv.length, ...args);
  await import(new URL("main.ts", index).href);
}

/** @internal */
export function resolveServer(
  resolve: (name: string) => string = (name) => import.meta.resolve(name),
  name: string = serverPackage,
): string {
  try {
    return resolve(name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")) {
      throw error;
    }
    throw new CommandFailure(
      `it is not installed here (there is no package ${name})`,
      "Install it, or run this in a clone of Skerry.",
      { cause: error },
    );
  }
}
