import { createHash } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { runTool, type Progress } from "../../packages/host/src/images/index.ts";
import { findProgram, isThere } from "./command.ts";
import { installPackages } from "./debian.ts";
import { SetUpError } from "./failure.ts";

const requirements = fileURLToPath(
  new URL("../../test/conformance/python/requirements.txt", import.meta.url),
);
const step = "the Python client";
const deadlineMs = 600_000;

/**
 * A Python that has the official client, in an environment of its own below `home`; made when its
 * requirements have changed. The tests need it, nothing else does.
 *
 * @returns the path of its interpreter. @throws SetUpError, ImageError
 */
export async function ensurePython(
  home: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<string> {
  const wanted = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex");
  const directory = join(home, "build", `python-${wanted.slice(0, 16)}`);
  const interpreter = join(directory, "bin", "python");
  if (await isThere(join(directory, "complete"))) return interpreter;
  progress({ step });
  await installPackages(await missing(), { step, progress, signal });
  const python = await findPython();
  // An environment knows its own path, so it is made where it stays and is complete when it says so.
  await rm(directory, { recursive: true, force: true });
  await runTool(python, ["-m", "venv", directory], { doing: "make a Python environment", signal });
  const args = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "-r",
    requirements,
  ];
  const hint =
    "see what pip says; it fetches the packages that test/conformance/python/requirements.txt names";
  await runTool(interpreter, args, {
    doing: "install the Python client",
    hint,
    deadlineMs,
    signal,
  });
  await writeFile(join(directory, "complete"), wanted);
  progress({ step, done: true });
  return interpreter;
}

/** Debian's Python can only make environments with the package that says so. */
async function missing(): Promise<readonly string[]> {
  const hasPython = (await findProgram("/usr/bin/python3")) !== null;
  const hasEnvironments = await isThere("/usr/share/python-wheels");
  return hasPython && hasEnvironments ? [] : ["python3", "python3-venv"];
}

async function findPython(): Promise<string> {
  const python = (await findProgram("/usr/bin/python3")) ?? (await findProgram("python3"));
  if (python === null) throw new SetUpError("there is no Python 3; the tests need it");
  return python;
}
