import { stripVTControlCharacters } from "node:util";

/** Characters that a terminal acts on, or that change the order in which text is shown. */
// oxlint-disable-next-line no-control-regex -- these are what it is about
const active = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Text that a terminal only shows. Labels, names and messages can come from whoever controls a
 * sandbox, and could else move the cursor, set the title or write to the clipboard.
 */
export function plainText(text: string): string {
  return stripVTControlCharacters(text).replaceAll(active, "");
}

/** The same, in one line. */
export function plainLine(text: string): string {
  return plainText(text).replaceAll(/[\t\n]+/g, " ");
}

/** JSON that a terminal only shows: control characters that JSON leaves as they are become escapes. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replaceAll(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
