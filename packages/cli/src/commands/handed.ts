import { becomeServer, serverCommand } from "../installed.ts";
import type { HandedVerb } from "../verb.ts";

/** Runs the server. */
export const serve: HandedVerb = {
  name: "serve",
  about: "run the server on this machine",
  async hand(args) {
    await becomeServer(args);
    return 0;
  },
};

/** Builds and removes the images that machines start from. */
export const images: HandedVerb = {
  name: "images",
  about: "list, build and remove the images that machines start from",
  hand: async (args) => (await serverCommand("imagesCommand"))(args),
};
