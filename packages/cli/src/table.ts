import { plainLine } from "./sanitize.ts";

/** Lines of a table, as wide as its widest cells; what is in a cell stays in its line. */
export function tableLines(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const cells = [heads, ...rows].map((row) => row.map(plainLine));
  const widths = heads.map((_, column) =>
    Math.max(...cells.map((row) => widthOf(row[column] ?? ""))),
  );
  return cells.map((row) =>
    row
      .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - widthOf(cell)))
      .join("  ")
      .trimEnd(),
  );
}

function widthOf(text: string): number {
  return Array.from(text).length;
}
