// Starts the editor in a sandbox, as its user: writes the settings, installs extensions, serves, and says on descriptor 3
// at which port. Its one argument is a JSON document, as packages/protocol/src/editor.ts has it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";

import { mergedSettings } from "./settings.mjs";

const place = new URL(".", import.meta.url).pathname;
const codeServer = join(place, "node_modules/code-server");
const require = createRequire(join(codeServer, "package.json"));
const data = join(homedir(), ".local/share/skerry-vscode");
const extensionsMs = 180_000;

const { folder, extensions, settings, preview, stopButton } = JSON.parse(process.argv[2]);

writeSettings();
for (const extension of extensions) await install(extension);
setUpEnvironment();
const port = await freePort();
const server = await serve(port);
writeSync(3, `${JSON.stringify({ port })}\n`);
loadEditor(port);

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
  process.once(signal, async () => {
    const late = setTimeout(() => process.exit(0), 3_000);
    late.unref();
    await server.dispose();
    process.exit(0);
  });
}

function writeSettings() {
  const file = join(data, "User/settings.json");
  mkdirSync(join(data, "User"), { recursive: true });
  let existing;
  try {
    existing = readFileSync(file, "utf8");
  } catch {
    existing = "{}"; // the first editor of this sandbox
  }
  const merged = mergedSettings(existing, settings);
  if (merged === null) {
    return warn(`${file} has more than plain JSON in it, so editorSettings were left out`);
  }
  writeFileSync(file, merged);
}

/** Never fails the editor: what could not be installed is said on stderr. */
async function install(extension) {
  const args = [
    join(codeServer, "out/node/entry.js"),
    ...flags(),
    "--install-extension",
    extension,
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  const late = setTimeout(() => child.kill("SIGKILL"), extensionsMs);
  const [code] = await once(child, "close");
  clearTimeout(late);
  if (code !== 0) {
    warn(
      `the extension ${extension} could not be installed; see that allowNet lets the sandbox reach its source`,
    );
  }
}

function warn(text) {
  process.stderr.write(`skerry: ${text}\n`);
}

function setUpEnvironment() {
  // Without it the editor's server takes itself for the whole program, and serves a second time.
  process.env.CODE_SERVER_PARENT_PID = String(process.pid);
  if (stopButton) process.env.SKERRY_EDITOR_PID = String(process.pid);
  if (preview !== null) process.env.SKERRY_EDITOR_PREVIEW = preview;
}

/** One that was free a moment ago; when another takes it meanwhile, the editor ends and says so. */
async function freePort() {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port: free } = probe.address();
  probe.close();
  await once(probe, "close");
  return free;
}

function flags() {
  return [
    ...["--user-data-dir", data, "--extensions-dir", join(data, "extensions")],
    ...["--config", join(data, "config.yaml"), "--disable-telemetry", "--disable-update-check"],
  ];
}

/** In this process, without code-server's own parent of it: one program less to start, and one less to end. */
async function serve(at) {
  const { parse, setDefaults } = require("./out/node/cli.js");
  const { runCodeServer } = require("./out/node/main.js");
  mkdirSync(require("./out/node/util.js").paths.data, { recursive: true });
  const args = parse([
    ...flags(),
    // $PORT counts for more than --bind-addr, and less than these.
    ...["--host", "127.0.0.1", "--port", String(at), "--auth", "none"],
    // The way in has compared it already; code-server takes the quotes around the host in Forwarded for a part of it.
    ...["--trusted-origins", "*", "--disable-workspace-trust"],
    ...["--disable-getting-started-override", "--ignore-last-opened"],
    ...["--session-socket", `/run/skerry/vscode-${process.pid}.sock`],
    folder,
  ]);
  return await runCodeServer(await setDefaults(args));
}

/** The first request loads the editor's server, which takes seconds: better now than when somebody waits. */
function loadEditor(at) {
  fetch(`http://127.0.0.1:${at}/?ew=true`).then(
    (answer) => answer.body?.cancel(),
    () => {}, // whoever opens the editor will see the same failure
  );
}
