#!/usr/bin/env node
import { openLog, runService } from "@skerry/service";

import { readConfig, usage } from "./config.ts";
import { openGateway } from "./gateway.ts";

/** `skerry gateway`: the SSH gateway alone, on this machine or another than control's. */
await runService({
  name: "gateway",
  ...{ usage, readConfig },
  openLog: ({ logLevel }) => openLog(logLevel, null),
  start: async (config, log) => {
    const gateway = await openGateway({ ...config, log });
    log.info(gateway.endpoint, "gateway ready");
    return gateway;
  },
  remedies: { EADDRINUSE: "end the program that has it, or choose another with --listen" },
});
