/** How a server is, as far as it tells. */
export interface ServerStatus {
  readonly version: string | undefined;
  /** `"kvm"`, `"tcg"` or `"fake"`, and why it is not better. */
  readonly acceleration: { readonly kind: string; readonly reason: string } | undefined;
  /** Machines that wait in the pool. */
  readonly poolReady: number | undefined;
  /** Machines that run. */
  readonly machines: number | undefined;
}

/** @internal Reads an answer of `GET /api/v1/status`; what is missing or odd is left out. */
export function serverStatus(answer: unknown): ServerStatus {
  const host = field(answer, "host") ?? answer;
  return {
    version: text(field(answer, "version")),
    acceleration: accelerationOf(field(host, "acceleration")),
    poolReady: count(field(host, "poolReady")),
    machines: count(field(host, "machines")),
  };
}

/** @internal Reads `{kind, reason}`; `undefined` when it is something else. */
export function accelerationOf(value: unknown): ServerStatus["acceleration"] {
  const kind = text(field(value, "kind"));
  return kind === undefined ? undefined : { kind, reason: text(field(value, "reason")) ?? "" };
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
