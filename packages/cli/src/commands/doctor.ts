import { resolve } from "node:path";

import { examine } from "../doctor/examine.ts";
import type { Finding } from "../doctor/finding.ts";
import type { Colour, Output } from "../output.ts";
import type { Verb } from "../verb.ts";

/** Says how this machine is as a host of sandboxes. */
export const doctor: Verb = {
  name: "doctor",
  usage: "[--home DIR] [--json]",
  about: "say whether this machine can run sandboxes, how fast, and what to do",
  options: {
    home: { type: "string", value: "DIR", about: "the server's home; default: SKERRY_HOME" },
  },
  async run(args, { config, output }) {
    const home = args.text("home");
    const findings = await examine(
      home === undefined ? config : { ...config, home: resolve(home) },
    );
    if (args.has("json")) output.json(findings);
    else for (const finding of findings) show(finding, output);
    return findings.some(({ level }) => level === "fail") ? 1 : 0;
  },
};

const colours: Readonly<Record<Finding["level"], Colour>> = {
  ok: "green",
  warn: "yellow",
  fail: "red",
};

function show({ name, level, detail, remedy }: Finding, output: Output): void {
  output.marked(colours[level], level.padEnd(4), `${name}: ${detail}`);
  if (remedy !== undefined) output.marked("dim", "    ", ` ${remedy}`);
}
