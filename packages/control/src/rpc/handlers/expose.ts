import { GuestError, type SandboxParams } from "@skerry/protocol";

import type { ExposeTarget } from "../../store/store.ts";
import { denoOf } from "../deno/runtime.ts";
import { noSuchProcess } from "../failures.ts";
import type { CallContext, Handlers } from "./handler.ts";

/** Servers in the machine that get a name outside. */
export const exposeHandlers: Handlers<"exposeHttp"> = {
  async exposeHttp(params, context) {
    await context.expose(params.domain, await targetOf(params, context));
    return null;
  },
};

/** A Deno process of ours says where it serves; another process is looked at whenever somebody asks for it. */
async function targetOf(
  params: SandboxParams<"exposeHttp">,
  { guest, signal }: CallContext,
): Promise<ExposeTarget> {
  if ("port" in params) return { kind: "port", port: params.port };
  const { pid } = params;
  const path = denoOf(guest).socketOf(pid);
  if (path !== undefined) return { kind: "socket", path };
  try {
    await guest.call("fs.stat", { path: `/proc/${pid}/fd` }, signal);
  } catch (error) {
    throw error instanceof GuestError ? noSuchProcess() : error;
  }
  return { kind: "process", pid };
}
