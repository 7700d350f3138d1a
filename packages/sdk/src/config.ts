import process from "node:process";

/** What the environment says about where the server is. */
export interface EnvironmentDefaults {
  readonly endpoint: string | undefined;
  readonly token: string | undefined;
}

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads the defaults: our own variables first, then those of the official clients. A variable that
 * is set to nothing counts as not set.
 */
export function environmentDefaults(variables: Variables = process.env): EnvironmentDefaults {
  const first = (...names: readonly string[]): string | undefined =>
    names.map((name) => variables[name]).find((value) => value !== undefined && value !== "");
  return {
    endpoint: first("SKERRY_ENDPOINT", "DENO_SANDBOX_ENDPOINT"),
    token: first("SKERRY_TOKEN", "DENO_DEPLOY_TOKEN"),
  };
}
