import type { SandboxError } from "@skerry/protocol";

import { wantsHtml } from "./access.ts";
import type { AnswerHead } from "./exchange.ts";
import type { HeaderPair } from "./headers.ts";

/** An answer of our own. */
export interface Page {
  readonly head: AnswerHead;
  readonly body: Buffer;
}

/** Seconds after which trying again makes sense. */
const retryAfterSeconds = 2;

/** What says why a request did not get through: a page for people, JSON for programs. */
export function failurePage(error: SandboxError, request: readonly HeaderPair[]): Page {
  const { status, retryable } = error;
  const isHtml = wantsHtml(request);
  const text = isHtml ? htmlOf(error) : `${JSON.stringify(error.toBody())}\n`;
  const headers: HeaderPair[] = [
    ["content-type", isHtml ? "text/html; charset=utf-8" : "application/json"],
    ["content-length", String(Buffer.byteLength(text))],
    ["cache-control", "no-store"],
    ["content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"],
    ["referrer-policy", "no-referrer"],
    ["x-content-type-options", "nosniff"],
  ];
  if (retryable) headers.push(["retry-after", String(retryAfterSeconds)]);
  return { head: { status, headers }, body: Buffer.from(text) };
}

/** Sends a browser on to where it comes without its signature. */
export function redirectPage(headers: readonly HeaderPair[]): Page {
  return {
    head: { status: 302, headers: [...headers, ["content-length", "0"]] },
    body: Buffer.alloc(0),
  };
}

function htmlOf(error: SandboxError): string {
  const { code, detail, status, retryable, remedy } = error;
  const title = error.headline;
  const again = retryable ? `<meta http-equiv="refresh" content="${retryAfterSeconds}">` : "";
  const about = detail === undefined ? "" : ` <span>(${escaped(detail)})</span>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${again}
<title>${escaped(title)}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem; color: #1d2733; background: #fbfcfd }
h1 { font-size: 1.4rem; line-height: 1.3 }
span, small { color: #5c6b7a }
@media (prefers-color-scheme: dark) { body { color: #dde4ea; background: #14191f } span, small { color: #8b9aa8 } }
</style>
</head>
<body>
<h1>${escaped(title)}${about}</h1>
<p>${escaped(remedy)}</p>
<small>${status} · ${escaped(code)} · Skerry</small>
</body>
</html>
`;
}

/** Text as a page may hold it. */
function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
