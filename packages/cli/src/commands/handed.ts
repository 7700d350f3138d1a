import { become, serverCommand } from "../installed.ts";
import type { HandedVerb } from "../verb.ts";

/** Runs the server. */
export const serve: HandedVerb = {
  name: "serve",
  about: "run the server on this machine",
  async hand(args) {
    await become("server", args);
    return 0;
  },
};

/** Runs the SSH gateway alone, for a server that runs elsewhere. */
export const gateway: HandedVerb = {
  name: "gateway",
  about: "run the SSH gateway alone, for a server elsewhere",
  async hand(args) {
    await become("gateway", args);
    return 0;
  },
};

/** Builds and removes the images that machines start from. */
export const images: HandedVerb = {
  name: "images",
  about: "list, build and remove the images that machines start from",
  hand: async (args) => (await serverCommand("imagesCommand"))(args),
};
