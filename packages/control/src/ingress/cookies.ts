/** The cookie that lets a browser in to a private name. The prefix keeps other names from setting it. */
export const accessCookie = "__Host-skerry";

/** A `Cookie` header without our cookie; empty when nothing else is in it. */
export function withoutCookie(header: string): string {
  const parts = header.split(";").map((part) => part.trim());
  return parts.filter((part) => nameOf(part) !== accessCookie && part !== "").join("; ");
}

/** The values of our cookie in a `Cookie` header. */
export function accessCookies(header: string): string[] {
  return header.split(";").flatMap((part) => {
    const text = part.trim();
    return nameOf(text) === accessCookie ? [text.slice(accessCookie.length + 1)] : [];
  });
}

/**
 * A `Set-Cookie` header without a domain other than the host itself: a server sets no cookies for its
 * neighbours. Null for our own cookie, which only we set.
 */
export function withoutForeignDomain(header: string, hostname: string): string | null {
  const [cookie = "", ...attributes] = header.split(";");
  if (nameOf(cookie.trim()) === accessCookie) return null;
  const kept = attributes.filter((attribute) => {
    const [name = "", value = ""] = attribute.split("=");
    if (name.trim().toLowerCase() !== "domain") return true;
    return value.trim().replace(/^\./, "").toLowerCase() === hostname;
  });
  return [cookie, ...kept].join(";");
}

function nameOf(pair: string): string {
  const end = pair.indexOf("=");
  return (end === -1 ? pair : pair.slice(0, end)).trim();
}
