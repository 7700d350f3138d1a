#!/usr/bin/env node
import { openLog, runService } from "@skerry/service";

import { readConfig, usage } from "./config.ts";
import { serve } from "./serve.ts";

/** `skerry serve`. When it fails, its sandboxes with a duration live on for the next start. */
await runService({
  name: "server",
  ...{ usage, readConfig },
  openLog: ({ logLevel, logFile }) => openLog(logLevel, logFile),
  start: async (config, log, signal) => await serve(config, signal, { log }),
  remedies: {
    EADDRINUSE: "end the program that has it, or choose another with --listen, --https or --ssh",
  },
});
