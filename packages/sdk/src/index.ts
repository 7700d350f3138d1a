export { ChildProcess, type ChildProcessOutput, type ChildProcessStatus } from "./child-process.ts";
export {
  Client,
  Sandboxes,
  type SandboxEvent,
  type SandboxesListOptions,
  type SandboxMetadata,
} from "./client.ts";
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
/** The second names are those of the official client. */
export {
  ApiError,
  ApiError as ConnectionEstablishmentError,
  ApiError as SandboxKillError,
  ConnectionError,
  ConnectionError as ConnectionClosedError,
  ConnectionError as NetworkError,
  InvalidMemoryError,
  InvalidOptionError,
  InvalidTimeoutError,
  InvalidTokenError,
  MissingEndpointError,
  MissingTokenError,
  NotImplementedError,
  OperationError,
  RpcError,
  SandboxCommandError,
  SkerryError,
  SkerryError as SandboxSdkError,
  type ConnectionErrorCode,
} from "./errors.ts";
export { type ExposeTarget, type PrivateOptions } from "./expose.ts";
export { type FetchOptions, type FetchOptions as RequestInit } from "./fetch.ts";
export { type FileInfo } from "./file-info.ts";
export { FsFile, SeekMode, type OpenOptions } from "./file.ts";
export {
  SandboxFiles,
  SandboxFiles as SandboxFs,
  type DirEntry,
  type MkdirOptions,
  type ReadFileOptions,
  type RemoveOptions,
  type TempOptions,
  type WriteFileOptions,
} from "./files.ts";
export {
  KillController,
  KillSignal,
  type KillSignalListener,
  type Signal,
} from "./kill-controller.ts";
export { SandboxNetwork, type NetworkRules } from "./network.ts";
export { SandboxSecrets, type SecretConfig } from "./secrets.ts";
export { parseMemorySize, type MemorySize, type MemorySize as Memory } from "./memory-size.ts";
export {
  type ConnectOptions,
  type SandboxOptions,
  type ServerOptions,
  type ServerOptions as BaseClientOptions,
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
export type { DialTarget, SandboxConnection } from "./dial.ts";
export { SandboxListener, type AcceptedConnection, type ListenTarget } from "./listen.ts";
export type { SshAccess } from "./ssh.ts";
export { SshKeys, type SshKey } from "./ssh-keys.ts";
export { Tokens, type IssuedToken, type Token, type TokenOptions } from "./tokens.ts";
export { Organizations, Users, type Organization, type User, type UserOptions } from "./users.ts";
export { VsCode, type VsCodeOptions } from "./vscode.ts";
