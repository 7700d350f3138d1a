export { ChildProcess, type ChildProcessOutput, type ChildProcessStatus } from "./child-process.ts";
export { Client, Sandboxes, type SandboxEvent, type SandboxMetadata } from "./client.ts";
export { ShellCommand, type Shell } from "./command.ts";
export { environmentDefaults, type EnvironmentDefaults } from "./config.ts";
export { parseDuration, parseLifetime, type Duration, type Lifetime } from "./durations.ts";
export {
  DenoProcess,
  DenoRepl,
  SandboxDeno,
  type CodeExtension,
  type DenoReplOptions,
  type DenoRunOptions,
} from "./deno.ts";
export { SandboxEnvironment, SandboxEnvironment as SandboxEnv } from "./environment.ts";
export {
  ApiError,
  ConnectionError,
  InvalidOptionError,
  MissingEndpointError,
  MissingTokenError,
  NotImplementedError,
  OperationError,
  RpcError,
  SandboxCommandError,
  SkerryError,
  type ConnectionErrorCode,
} from "./errors.ts";
export { type FetchOptions } from "./fetch.ts";
export { type FileInfo } from "./file-info.ts";
export { FsFile, SeekMode, type OpenOptions } from "./file.ts";
export {
  SandboxFiles,
  SandboxFiles as SandboxFs,
  type DirEntry,
  type ReadFileOptions,
  type TempOptions,
  type WriteFileOptions,
} from "./files.ts";
export {
  KillController,
  KillSignal,
  type KillSignalListener,
  type Signal,
} from "./kill-controller.ts";
export { parseMemorySize, type MemorySize } from "./memory-size.ts";
export {
  type ConnectOptions,
  type SandboxOptions,
  type SecretConfig,
  type ServerOptions,
} from "./options.ts";
export { type ByteSource } from "./outgoing-stream.ts";
export { type SandboxPath } from "./path.ts";
export { Sandbox } from "./sandbox.ts";
export { accelerationOf, type ServerStatus } from "./server-status.ts";
export { type ExpandGlobOptions, type WalkEntry, type WalkOptions } from "./search.ts";
export { escapeShellArg } from "./shell-escape.ts";
export { type OutputMode, type SpawnOptions, type TerminalOptions } from "./spawn.ts";
export {
  Transfer,
  type TransferOptions,
  type TransferProgress,
  type TransferResult,
  type TransferSkip,
} from "./transfer/transfer.ts";
export { Endpoint } from "@skerry/protocol";
