import { ok, warn, type Finding } from "./finding.ts";

/** What names of exposed servers end with when the server is not told another. */
export const defaultBaseDomain = "skerry.localhost";

/**
 * @param baseDomain What names of exposed servers end with.
 * @param isFound Whether a name below it leads to an address on this host.
 */
export function namesFinding(baseDomain: string, isFound: boolean): Finding {
  const name = `*.${baseDomain}`;
  if (isFound) return ok(name, "leads to an address");
  const isLocal = baseDomain.endsWith(".localhost");
  return warn(
    name,
    isLocal
      ? "is found by browsers and curl, but not by other programs of this host"
      : "leads to no address on this host",
    isLocal
      ? "`npm start` installs what finds it, or: apt-get install libnss-myhostname"
      : `Have the names below ${baseDomain} lead to this server.`,
  );
}
