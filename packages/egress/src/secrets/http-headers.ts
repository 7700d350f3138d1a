/** Headers that concern one connection and are not passed on, beside those that `connection` names. */
const hopByHop: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"],
  // The other protocol that it names is one that nobody here can look into.
  "alt-svc",
]);

/** What `connection` may name and still belongs to the message: where it ends, and whose it is. */
const ofTheMessage: ReadonlySet<string> = new Set([
  ...["content-length", "transfer-encoding", "host", "upgrade"],
]);

/**
 * Names and values in turn, without those that go no further than this connection.
 *
 * @param isOut Whether a header, by its name in small letters, is left out as well.
 */
export function endToEnd(
  headers: readonly string[],
  isOut: (name: string) => boolean = () => false,
): string[] {
  const named = new Set(
    valuesOf(headers, "connection")
      .flatMap((value) => value.split(","))
      .map((name) => name.trim().toLowerCase()),
  );
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    const lower = name.toLowerCase();
    const goesOn = !hopByHop.has(lower) && (!named.has(lower) || ofTheMessage.has(lower));
    if (goesOn && !isOut(lower)) kept.push(name, headers[index + 1] ?? "");
  }
  return kept;
}

/** The values of a header, which is asked for in small letters. */
export function valuesOf(headers: readonly string[], wanted: string): string[] {
  return headers.filter(
    (_value, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === wanted,
  );
}

/** Names and values, each with the other. */
export function pairsOf(headers: readonly string[]): (readonly [name: string, value: string])[] {
  return headers.flatMap((name, index) =>
    index % 2 === 0 ? [[name, headers[index + 1] ?? ""] as const] : [],
  );
}
