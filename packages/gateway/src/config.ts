import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { ConfigError, logLevels, type LogLevel } from "@skerry/service";

/** How a gateway that runs alone is to run. Read once, at the start. */
export interface GatewayConfig {
  /** Control's API. */
  readonly endpoint: string;
  /** Good for a gateway. */
  readonly token: string;
  readonly host: string;
  readonly port: number;
  /** What clients are told to connect to; undefined: where it listens. */
  readonly publicHost: string | undefined;
  readonly hostKeyFile: string;
  readonly allowsAgent: boolean;
  readonly logLevel: LogLevel;
}

/** What `skerry gateway --help` prints. */
export const usage = `usage: skerry gateway --endpoint URL --token-file FILE [options]

  --endpoint URL      the API of the server (SKERRY_ENDPOINT)
  --token-file FILE   a token for it: skerry tokens create NAME --gateway
  --listen HOST:PORT  where SSH clients come; port 0 takes a free one (127.0.0.1:2222)
  --public-host NAME  the host that they are told, where it is another
  --host-key FILE     what it proves itself by, made when there is none (ssh-host-key, beside the token)
  --ssh-agent         lets ssh -A lend a client's agent to a sandbox
  --log-level LEVEL   ${logLevels.join(", ")} (info)
  --help
`;

/**
 * Reads the configuration; null means that help is asked for.
 *
 * @throws {ConfigError} with all mistakes at once.
 */
export function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): GatewayConfig | null {
  const flags = readFlags(args);
  if (flags.help === true) return null;
  const problems: string[] = [];
  const endpoint = flags.endpoint ?? environment["SKERRY_ENDPOINT"] ?? "";
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? "")) {
    problems.push("--endpoint: use the address of a server, as in https://api.example.com");
  }
  const file = flags["token-file"] ?? "";
  const token = readToken(file, problems);
  const { listen = "127.0.0.1:2222", "log-level": level = "info" } = flags;
  const [, v6, name, port = ""] =
    /^(?:\[([0-9a-fA-F:]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(listen) ?? [];
  const host = v6 ?? name ?? "";
  if (host === "" || Number(port) > 65_535) {
    problems.push("--listen: use HOST:PORT, as in 0.0.0.0:2222");
  }
  const logLevel = logLevels.find((each) => each === level);
  if (logLevel === undefined) problems.push(`--log-level: one of ${logLevels.join(", ")}`);
  if (problems.length > 0 || logLevel === undefined) throw new ConfigError(problems);
  return Object.freeze({
    ...{ endpoint, token, host, port: Number(port), publicHost: flags["public-host"] },
    hostKeyFile: resolve(flags["host-key"] ?? join(dirname(file), "ssh-host-key")),
    ...{ allowsAgent: flags["ssh-agent"] ?? false, logLevel },
  });
}

function readToken(file: string, problems: string[]): string {
  if (file === "") {
    problems.push("--token-file: name a file with a token");
    return "";
  }
  try {
    const token = readFileSync(file, "utf8").trim();
    if (!/^\S+$/.test(token)) problems.push(`--token-file: there is no token in ${file}`);
    return token;
  } catch (error) {
    problems.push(`--token-file: ${error instanceof Error ? error.message : String(error)}`);
    return "";
  }
}

function readFlags(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...{ endpoint: { type: "string" }, "token-file": { type: "string" } },
        ...{ listen: { type: "string" }, "public-host": { type: "string" } },
        ...{ "host-key": { type: "string" }, "log-level": { type: "string" } },
        ...{ "ssh-agent": { type: "boolean" }, help: { type: "boolean" } },
      },
    });
    return values;
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)]);
  }
}
