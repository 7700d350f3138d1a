import { SandboxError } from "@skerry/protocol";

/** The body of a request. @throws {SandboxError} `INVALID_REQUEST` */
export async function readJson(request: Request): Promise<unknown> {
  try {
    return (await request.json()) as unknown;
  } catch (error) {
    throw new SandboxError("INVALID_REQUEST", "the body is not JSON", { cause: error });
  }
}
