/** What a check found. */
export interface Finding {
  readonly name: string;
  readonly level: "ok" | "warn" | "fail";
  /** What is so, in one line. */
  readonly detail: string;
  /** What to do about it, where there is something to do. */
  readonly remedy?: string | undefined;
}

export const ok = (name: string, detail: string): Finding => ({ name, level: "ok", detail });

export const warn = (name: string, detail: string, remedy?: string): Finding => ({
  ...{ name, level: "warn", detail, remedy },
});

export const fail = (name: string, detail: string, remedy?: string): Finding => ({
  ...{ name, level: "fail", detail, remedy },
});

/** An amount of bytes as people read it: `"1.5 GiB"`. */
export function sizeText(bytes: number): string {
  const gib = bytes / 1024 ** 3;
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}
