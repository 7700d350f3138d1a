export { ConfigError } from "./config-error.ts";
export { isLogLevel, logLevels, openLog, type LogLevel } from "./log.ts";
export { runService, type Service } from "./run-service.ts";
