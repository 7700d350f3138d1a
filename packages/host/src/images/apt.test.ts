import assert from "node:assert/strict";
import { test } from "node:test";

import { mirrorsOf, sourceLines } from "./apt.ts";

const debian = {
  main: "http://deb.debian.org/debian",
  security: "http://deb.debian.org/debian-security",
};

const sources: readonly { name: string; text: string; mirrors: typeof debian }[] = [
  { name: "no sources at all", text: "", mirrors: debian },
  {
    name: "one-line sources with options",
    text: "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian/ bookworm main\n",
    mirrors: { ...debian, main: "https://mirror.example/debian" },
  },
  {
    name: "deb822 sources",
    text: "Types: deb\nURIs: http://m.example/debian-security\nSuites: x\n\nURIs: http://m.example/debian\n",
    mirrors: { main: "http://m.example/debian", security: "http://m.example/debian-security" },
  },
  {
    name: "sources of others, and comments",
    text: "deb https://packages.example/apt stable main\n# deb http://old.example/debian x main\n",
    mirrors: debian,
  },
];

for (const { name, text, mirrors } of sources) {
  test(`mirrorsOf() reads ${name}`, () => assert.deepEqual(mirrorsOf(text), mirrors));
}

test("sourceLines() names release, updates and security, all signed by Debian", () => {
  const lines = sourceLines("trixie", debian);
  assert.deepEqual(
    lines.map((line) => line.split(" ").at(-2)),
    ["trixie", "trixie-updates", "trixie-security"],
  );
  for (const line of lines) assert.match(line, /^deb \[signed-by=\/usr\/share\/keyrings\/debian-/);
});
