import { SandboxError } from "@skerry/protocol";

/**
 * The labels that a list is asked for: `labels[key]=value` from the JavaScript client, and
 * `labels={'key': 'value'}` from the Python one, which sends the text of its dictionary.
 *
 * @throws {SandboxError} `INVALID_REQUEST`
 */
export function readLabelFilter(query: URLSearchParams): Readonly<Record<string, string>> {
  const labels: [string, string][] = [];
  for (const [name, value] of query) {
    if (name === "labels") {
      labels.push(...readDictionary(value));
      continue;
    }
    const [, key] = /^labels\[(.*)\]$/s.exec(name) ?? [];
    if (key !== undefined) labels.push([key, value]);
  }
  return Object.fromEntries(labels);
}

/** A Python string: in either quote, with the few escapes that `repr` uses. */
const quoted = String.raw`('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")`;
const pair = new RegExp(String.raw`\s*${quoted}\s*:\s*${quoted}\s*(,|$)`, "gy");

function readDictionary(text: string): [string, string][] {
  const [, inside] = /^\{(.*)\}$/s.exec(text.trim()) ?? [];
  if (inside === undefined) throw refusal();
  const pairs: [string, string][] = [];
  pair.lastIndex = 0;
  while (inside.trim() !== "" && pair.lastIndex < inside.length) {
    const [, key, value] = pair.exec(inside) ?? [];
    if (key === undefined || value === undefined) throw refusal();
    pairs.push([unquote(key), unquote(value)]);
  }
  return pairs;
}

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/g, (_, letter: string) => escapes[letter] ?? letter);
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

function refusal(): SandboxError {
  return new SandboxError("INVALID_REQUEST", "labels: use labels[key]=value");
}
