import type { Handlers } from "./handler.ts";

/** The variables that processes of the sandbox start with. */
export const environmentHandlers: Handlers<"envGet" | "envSet" | "envToObject" | "envDelete"> = {
  async envGet({ key }, { guest, signal }) {
    return (await guest.call("env.get", { key }, signal)) ?? undefined;
  },
  async envSet({ key, value }, { guest, signal }) {
    await guest.call("env.set", { key, value }, signal);
    return null;
  },
  async envToObject(_params, { guest, signal }) {
    return await guest.call("env.all", {}, signal);
  },
  async envDelete({ key }, { guest, signal }) {
    await guest.call("env.delete", { key }, signal);
    return null;
  },
};
