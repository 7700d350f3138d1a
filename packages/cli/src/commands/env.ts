import { escapeShellArg, type Endpoint } from "@skerry/sdk";

import { localEndpoint } from "../local-server.ts";
import type { Verb } from "../verb.ts";

/** Prints what clients need to find the server of this machine. */
export const env: Verb = {
  name: "env",
  usage: "[--home DIR] [--json]",
  about: 'print the variables of the server on this machine: eval "$(skerry env)"',
  options: {
    home: { type: "string", value: "DIR", about: "the server's home; default: SKERRY_HOME" },
  },
  async run(args, { config, output }) {
    const variables = variablesOf(await localEndpoint(args.text("home") ?? config.home));
    if (args.has("json")) output.json(variables);
    else for (const [name, value] of Object.entries(variables)) output.line(exportOf(name, value));
    return 0;
  },
};

function variablesOf({ url, token, ingress }: Endpoint): Readonly<Record<string, string>> {
  const endpoint = url.replace(/\/+$/, ""); // the official clients refuse one that ends with a slash
  return {
    DENO_DEPLOY_ENDPOINT: endpoint,
    DENO_SANDBOX_ENDPOINT: endpoint,
    DENO_DEPLOY_TOKEN: token,
    SKERRY_ENDPOINT: endpoint,
    SKERRY_TOKEN: token,
    ...authorityOf(ingress),
  };
}

/**
 * Lets programs trust the addresses of exposed servers, beside what this host trusts: where a variable is set already,
 * it most often names just that.
 */
function authorityOf(ingress: Endpoint["ingress"]): Readonly<Record<string, string>> {
  const { bundleFile = null } = ingress ?? {};
  if (bundleFile === null) return {};
  return {
    NODE_EXTRA_CA_CERTS: bundleFile,
    DENO_CERT: bundleFile,
    SSL_CERT_FILE: bundleFile,
    // Where these are set, curl and Python's requests do not look at the one above.
    CURL_CA_BUNDLE: bundleFile,
    REQUESTS_CA_BUNDLE: bundleFile,
  };
}

function exportOf(name: string, value: string): string {
  return `export ${name}=${escapeShellArg(value)}`;
}
