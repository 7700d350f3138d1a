export { ConfigError } from "./config-error.ts";
export { logLevels, openLog, type LogLevel } from "./log.ts";
export { runService, type Service } from "./run-service.ts";
