export { readConfig, readSetup, type ServeConfig, type Setup } from "./config.ts";
export { imagesCommand } from "./images.ts";
export { openMachines, type OpenOwnHost, type OwnHost } from "./machines.ts";
export { serve, type RunningServer, type ServeParts } from "./serve.ts";
