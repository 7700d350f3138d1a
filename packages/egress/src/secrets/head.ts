import type { Placeholders } from "./placeholders.ts";

/**
 * Headers that servers write down, pass on or answer with, and that no key belongs in: a placeholder stays
 * a placeholder in them.
 */
const neverFilled: ReadonlySet<string> = new Set([
  ...["host", ":authority", "referer", "origin", "user-agent", "cookie", "via", "forwarded"],
  ...["from", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te"],
]);

/** The part of a request that comes before its body. */
export interface Head {
  /** Path and query. */
  readonly path: string;
  /** Names and values in turn, as they came; bytes are Latin-1 letters. */
  readonly headers: readonly string[];
}

/** A head with secrets in it, and whether there are any. */
export interface FilledHead extends Head {
  readonly isChanged: boolean;
}

/**
 * Puts secrets into a head.
 *
 * @throws {SecretElsewhereError} and nothing of the request may go on then.
 */
export function fillHead({ path, headers }: Head, placeholders: Placeholders): FilledHead {
  const filled = headers.map((text, index) =>
    index % 2 === 0 ? text : fillHeader(headers[index - 1] ?? "", text, placeholders),
  );
  const filledPath = fillQuery(path, placeholders);
  const isChanged = filledPath !== path || filled.some((text, index) => text !== headers[index]);
  return { path: filledPath, headers: filled, isChanged };
}

function fillHeader(name: string, value: string, placeholders: Placeholders): string {
  const lower = name.toLowerCase();
  if (neverFilled.has(lower) || lower.startsWith("x-forwarded-")) return value;
  const [, scheme, encoded] = /^(basic +)([a-z0-9+/]+={0,2})\s*$/i.exec(value) ?? [];
  if (scheme === undefined || encoded === undefined) {
    return placeholders.fill(value, "header", latin1);
  }
  const credentials = Buffer.from(encoded, "base64").toString("latin1");
  const filled = placeholders.fill(credentials, "header", latin1);
  if (filled === credentials) return value;
  return scheme + Buffer.from(filled, "latin1").toString("base64");
}

function fillQuery(path: string, placeholders: Placeholders): string {
  const mark = path.indexOf("?");
  if (mark === -1) return path;
  const query = placeholders.fill(path.slice(mark), "query", encodeURIComponent);
  return path.slice(0, mark) + query;
}

/** Text as the bytes of its UTF-8, a letter for each, which is how Node writes headers. */
function latin1(value: string): string {
  return Buffer.from(value, "utf8").toString("latin1");
}
