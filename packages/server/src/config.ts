import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { limits, parseIpv4, readName, Region } from "@skerry/protocol";
import { ConfigError, logLevels, type LogLevel } from "@skerry/service";
import { z } from "zod";

/** How a server is to run. Read once, at the start; frozen from then on. */
export interface ServeConfig {
  /** `SKERRY_HOME`, absolute. */
  readonly home: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Where the SSH gateway listens, and the name that clients are told; null: nowhere. */
  readonly ssh: SshConfig | null;
  /** Where exposed servers are reached; null: nowhere. */
  readonly https: HttpsConfig | null;
  /** The first is the default. */
  readonly regions: readonly [string, ...string[]];
  /** Machines that wait ready, of the default memory size. */
  readonly poolSize: number;
  readonly sandboxesMax: number;
  /** Of one organization; at most {@link sandboxesMax}. */
  readonly organizationSandboxesMax: number;
  readonly lifetimeMaxMs: number;
  readonly logLevel: LogLevel;
  /** Null: standard error. */
  readonly logFile: string | null;
  /** Origins whose pages may open sockets. */
  readonly allowedOrigins: readonly string[];
  /** Name servers that sandboxes' questions go to, as Node takes them; empty: those of this host. */
  readonly nameServers: readonly string[];
  /** Private addresses with ports that `allowNet` may lead to. */
  readonly exceptions: readonly string[];
  /** Files with authorities that sandboxes' secrets may trust beside those of this host. */
  readonly trust: readonly string[];
  /** Sandboxes with a duration go on when the server stops, for the next one to take up. */
  readonly keepSandboxes: boolean;
}

/** How sandboxes are entered. */
export interface SshConfig {
  readonly host: string;
  readonly port: number;
  /** Null: the address that it listens on. */
  readonly publicHost: string | null;
  /** Whether `ssh -A` lends the client's agent to a sandbox. */
  readonly allowsAgent: boolean;
}

/** How exposed servers are reached. */
export interface HttpsConfig {
  readonly host: string;
  readonly port: number;
  /** What their names end with. */
  readonly baseDomain: string;
  /** The port that clients use when a proxy in front has another; null: the same. */
  readonly publicPort: number | null;
  /** The operator's certificate; null: one of our own authority. */
  readonly certificateFiles: { readonly certFile: string; readonly keyFile: string } | null;
  /** Who gives a certificate; null: nobody is asked. */
  readonly acme: AcmeConfig | null;
}

/** An authority that is asked for certificates. */
export interface AcmeConfig {
  readonly email: string;
  readonly directoryUrl: string;
  /** A program that sets records in the DNS. */
  readonly dnsProgram: string;
}

/** What `skerry serve --help` prints. */
export const usage = `usage: skerry serve [options]

  --home DIR             where state lives (SKERRY_HOME)
  --listen HOST:PORT     the API; port 0 takes a free one (SKERRY_LISTEN, 127.0.0.1:8420)
  --https HOST:PORT      exposed servers, and the API with TLS; port 0 takes a free one, "off": none
                         (SKERRY_HTTPS, 127.0.0.1:8443)
  --base-domain NAME     what the names of exposed servers end with (SKERRY_BASE_DOMAIN, skerry.localhost)
  --public-https-port N  the port that clients use, where a proxy in front has another (SKERRY_PUBLIC_HTTPS_PORT)
  --tls-cert FILE        a certificate for the base domain and all below it, with its chain, PEM (SKERRY_TLS_CERT)
  --tls-key FILE         its key (SKERRY_TLS_KEY)
  --acme EMAIL           have the base domain and all below it certified, and agree to the terms of who does it
                         (SKERRY_ACME)
  --acme-dns PROGRAM     sets DNS records for that: PROGRAM add|remove NAME VALUE; ends when all can see it
                         (SKERRY_ACME_DNS)
  --acme-directory URL   who certifies (SKERRY_ACME_DIRECTORY, Let's Encrypt)
  --ssh HOST:PORT        the SSH gateway; port 0 takes a free one, "off": none (SKERRY_SSH, 127.0.0.1:2222)
  --public-ssh-host NAME the host that SSH clients are told, where it is another (SKERRY_PUBLIC_SSH_HOST)
  --ssh-agent            lets ssh -A lend a client's agent to a sandbox
  --region NAME,…        regions this server answers for, the default first (SKERRY_REGION, ord,ams)
  --pool N               machines that wait ready (SKERRY_POOL, 4)
  --max-sandboxes N      sandboxes at the same time (SKERRY_MAX_SANDBOXES, ${limits.sandboxesMax})
  --max-sandboxes-per-organization N  and of one organization (SKERRY_MAX_SANDBOXES_PER_ORGANIZATION, as many)
  --max-lifetime TIME    longest lifetime at once: 90s, 30m, 24h (SKERRY_MAX_LIFETIME, 30m)
  --log-level LEVEL      ${logLevels.join(", ")} (SKERRY_LOG_LEVEL, info)
  --log-file FILE        instead of standard error (SKERRY_LOG_FILE)
  --name-server ADDRESS  who is asked for names, with a port or without, instead of this host's; may be repeated
  --allow-private ADDRESS:PORT  a private address that names in allowNet may lead to, as 10.0.0.5:8443; may be repeated
  --trust FILE           certificate authorities (PEM) that servers may be vouched for by, before a secret is sent
                         to them, beside those that this host trusts; may be repeated
  --allow-origin ORIGIN  a web page that may open sockets; may be repeated
  --keep-sandboxes       leave sandboxes with a timeout running when the server stops, for the next
  --help
`;

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

const Duration = z
  .string()
  .regex(/^[1-9]\d{0,6}[smh]$/, "use a number with s, m or h, as in 30m")
  .transform((text) => Number(text.slice(0, -1)) * unitMs[text.slice(-1) as keyof typeof unitMs]);

const Address = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[^\s:[\]]+):\d{1,5}$/, "use HOST:PORT, as in 127.0.0.1:8420")
  .transform((text) => {
    const colon = text.lastIndexOf(":");
    const host = text.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
    return { host, port: Number(text.slice(colon + 1)) };
  })
  .refine(({ port }) => port <= 65_535, "a port is at most 65535");

const BaseDomain = z
  .string()
  .transform((text) => readName(text) ?? "")
  .refine((name) => name !== "", "use a host name, as in sandboxes.example.com");

const Port = z
  .string()
  .regex(/^\d{1,5}$/, "use a port, as in 443")
  .transform(Number)
  .refine((port) => port >= 1 && port <= 65_535, "a port is from 1 to 65535");

const File = z.string().min(1, "use a file").nullable();

const Regions = z
  .string()
  .transform((text) => text.split(",").map((name) => name.trim()))
  .refine((names) => names.every((name) => Region.safeParse(name).success), {
    message: "a region is three small letters",
  })
  .transform((names) => names as [string, ...string[]]); // split() gives at least one

const count = (most: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, "use a number")
    .transform(Number)
    .refine((value) => value <= most, `at most ${most}`);

const Options = z.object({
  home: z.string().min(1, "use a directory"),
  listen: Address,
  https: z.union([z.literal("off").transform(() => null), Address]),
  ssh: z.union([z.literal("off").transform(() => null), Address]),
  "public-ssh-host": z.string().min(1, "use a name").nullable(),
  "base-domain": BaseDomain,
  "public-https-port": Port.nullable(),
  "tls-cert": File,
  "tls-key": File,
  acme: z.email("use an address, as in you@example.com").nullable(),
  "acme-dns": File,
  "acme-directory": z.url({ protocol: /^https$/, error: "use an https:// address" }),
  region: Regions,
  pool: count(64),
  "max-sandboxes": count(10_000),
  "max-sandboxes-per-organization": count(10_000).nullable(),
  "max-lifetime": Duration,
  "log-level": z.enum(logLevels),
  "log-file": File,
});

/**
 * Reads the configuration from flags, then the environment, then the defaults. Null means that help
 * is asked for.
 *
 * @throws {ConfigError} with all mistakes at once.
 */
export function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
  isRoot: boolean = process.geteuid?.() === 0,
): ServeConfig | null {
  const flags = readFlags(args);
  if (flags.help === true) return null;
  const defaults = {
    home: defaultHome(isRoot),
    listen: "127.0.0.1:8420",
    https: "127.0.0.1:8443",
    ssh: "127.0.0.1:2222",
    "public-ssh-host": null,
    "base-domain": "skerry.localhost",
    "public-https-port": null,
    "tls-cert": null,
    "tls-key": null,
    acme: null,
    "acme-dns": null,
    "acme-directory": "https://acme-v02.api.letsencrypt.org/directory",
    region: "ord,ams",
    pool: "4",
    "max-sandboxes": String(limits.sandboxesMax),
    "max-sandboxes-per-organization": null,
    "max-lifetime": `${limits.lifetimeMaxMs / unitMs.m}m`,
    "log-level": "info",
    "log-file": null,
  };
  const given = Object.fromEntries(
    Object.entries(defaults).map(([name, fallback]) => {
      const variable = environment[`SKERRY_${name.toUpperCase().replaceAll("-", "_")}`];
      const flag = flags[name as keyof typeof defaults];
      return [name, flag ?? (variable === "" ? undefined : variable) ?? fallback];
    }),
  );
  const parsed = Options.safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map(({ path, message }) => `--${path.join(".")}: ${message}`),
    );
  }
  const { data } = parsed;
  return Object.freeze({
    home: resolve(data.home),
    listen: Object.freeze(data.listen),
    https: readHttps(data),
    ssh:
      data.ssh &&
      Object.freeze({
        ...{ ...data.ssh, publicHost: data["public-ssh-host"] },
        allowsAgent: flags["ssh-agent"] ?? false,
      }),
    regions: Object.freeze(data.region) as readonly [string, ...string[]],
    poolSize: data.pool,
    sandboxesMax: data["max-sandboxes"],
    organizationSandboxesMax: Math.min(
      data["max-sandboxes-per-organization"] ?? data["max-sandboxes"],
      data["max-sandboxes"],
    ),
    lifetimeMaxMs: data["max-lifetime"],
    logLevel: data["log-level"],
    logFile: data["log-file"],
    nameServers: Object.freeze(readNameServers(flags["name-server"] ?? [])),
    exceptions: Object.freeze(readExceptions(flags["allow-private"] ?? [])),
    trust: Object.freeze((flags.trust ?? []).map((file) => resolve(file))),
    allowedOrigins: Object.freeze(flags["allow-origin"] ?? []),
    keepSandboxes: flags["keep-sandboxes"] ?? false,
  });
}

function readHttps(data: z.infer<typeof Options>): HttpsConfig | null {
  const [certFile, keyFile] = [data["tls-cert"], data["tls-key"]];
  if ((certFile === null) !== (keyFile === null)) {
    throw new ConfigError(["--tls-cert: a certificate and its key belong together (--tls-key)"]);
  }
  const { acme: email, "acme-dns": program } = data;
  if ((email === null) !== (program === null)) {
    throw new ConfigError(["--acme: it needs --acme-dns, and that needs it"]);
  }
  if (email !== null && certFile !== null) {
    throw new ConfigError(["--acme: there is a certificate already (--tls-cert)"]);
  }
  if (data.https === null) return null;
  const directoryUrl = data["acme-directory"];
  return Object.freeze({
    ...data.https,
    baseDomain: data["base-domain"],
    publicPort: data["public-https-port"],
    certificateFiles:
      certFile === null || keyFile === null
        ? null
        : Object.freeze({ certFile: resolve(certFile), keyFile: resolve(keyFile) }),
    acme:
      email === null || program === null
        ? null
        : Object.freeze({ email, directoryUrl, dnsProgram: resolve(program) }),
  });
}

function defaultHome(isRoot: boolean): string {
  return isRoot ? "/var/lib/skerry" : join(homedir(), ".local/share/skerry");
}

/** The home of a command: its flag, then `SKERRY_HOME`, then the default. Absolute. */
export function homeOf(flag: string | undefined): string {
  const variable = process.env["SKERRY_HOME"];
  const chosen = flag ?? (variable === "" ? undefined : variable);
  return resolve(chosen ?? defaultHome(process.geteuid?.() === 0));
}

function readFlags(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...{ home: { type: "string" }, listen: { type: "string" }, region: { type: "string" } },
        ...{ https: { type: "string" }, "base-domain": { type: "string" } },
        ...{ "public-https-port": { type: "string" }, "tls-cert": { type: "string" } },
        ...{ ssh: { type: "string" }, "public-ssh-host": { type: "string" } },
        ...{ "tls-key": { type: "string" }, acme: { type: "string" } },
        ...{ "acme-dns": { type: "string" }, "acme-directory": { type: "string" } },
        ...{ pool: { type: "string" }, "max-sandboxes": { type: "string" } },
        "max-sandboxes-per-organization": { type: "string" },
        ...{ "max-lifetime": { type: "string" }, "log-level": { type: "string" } },
        ...{ "log-file": { type: "string" }, "allow-origin": { type: "string", multiple: true } },
        "name-server": { type: "string", multiple: true },
        trust: { type: "string", multiple: true },
        "allow-private": { type: "string", multiple: true },
        ...{
          "keep-sandboxes": { type: "boolean" },
          "ssh-agent": { type: "boolean" },
          help: { type: "boolean" },
        },
      },
    });
    return values;
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)]);
  }
}

function readNameServers(given: readonly string[]): readonly string[] {
  const wrong = given.filter(
    (text) => !/^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/.test(text),
  );
  if (wrong.length === 0) return given;
  throw new ConfigError(
    wrong.map((text) => `--name-server: ${text} is no address, as in 192.0.2.1:53`),
  );
}

function readExceptions(given: readonly string[]): readonly string[] {
  const wrong = given.filter((text) => {
    const [address = "", port = ""] = text.split(":");
    const isPort = /^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535;
    return parseIpv4(address) === null || !isPort || text.split(":").length !== 2;
  });
  if (wrong.length === 0) return given;
  throw new ConfigError(
    wrong.map((text) => `--allow-private: ${text} is no address and port, as in 10.0.0.5:8443`),
  );
}

const Setup = z.object({
  image: z.object({
    ...{ name: z.string(), key: z.string(), kernel: z.string(), initrd: z.string() },
    ...{ root: z.string(), runtime: z.string(), disk: z.string(), editor: z.string() },
  }),
  launcher: z.string(),
  netns: z.string(),
  authority: z.string(),
});

/** What machines are made of on this host. */
export type Setup = z.infer<typeof Setup>;

/**
 * Reads what the set-up of this host has left in its home.
 *
 * @throws {ConfigError} when the host is not set up.
 */
export function readSetup(home: string): Setup {
  const path = join(home, "setup.json");
  try {
    return Setup.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    const problem = `${home} is not set up (${path} cannot be read): run npm start in the clone`;
    throw Object.assign(new ConfigError([problem]), { cause });
  }
}
