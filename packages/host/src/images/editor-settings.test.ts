import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { editorSources } from "./editor-part.ts";

// It runs in machines, where there is nothing but JavaScript.
const { defaults, mergedSettings } = (await import(
  pathToFileURL(`${editorSources}/program/settings.mjs`).href
)) as {
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly mergedSettings: (existing: string, given: object) => string | null;
};
const merged = (existing: string, given: object): unknown =>
  JSON.parse(mergedSettings(existing, given) ?? "null");

test("settings are ours, then what is there, then what the caller gives", () => {
  const name = "telemetry.telemetryLevel";
  assert.deepEqual(merged("{}", {}), defaults);
  assert.deepEqual(merged(`{"${name}":"all","a":1}`, {}), { ...defaults, [name]: "all", a: 1 });
  assert.deepEqual(merged('{"a":1,"b":2}', { a: { c: 3 } }), { ...defaults, a: { c: 3 }, b: 2 });
});

test("settings that are more than JSON stay as they are", () => {
  for (const existing of ["// mine\n{}", "{,}", "", "null", "[]", "7"]) {
    assert.equal(mergedSettings(existing, { a: 1 }), null, existing);
  }
});
