import type { TestServer } from "./server.ts";

/** Points the unmodified official client at a server, the way its users do: by the environment. */
export function useServer(server: TestServer): void {
  process.env["DENO_DEPLOY_ENDPOINT"] = server.url;
  process.env["DENO_SANDBOX_ENDPOINT"] = server.url;
  process.env["DENO_DEPLOY_TOKEN"] = server.token;
}

/** The bytes of a stream, as one. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
