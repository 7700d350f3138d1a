export {
  AccountName,
  IssuedTokenAnswer,
  OrganizationRequest,
  OrganizationSummary,
  Role,
  TokenRequest,
  TokenSummary,
  UserRequest,
  UserSummary,
} from "./accounts.ts";
export { editorCommand, EditorReady, type EditorRequest } from "./editor.ts";
export { errors, SandboxError, toSandboxError, type ErrorBody, type ErrorCode } from "./errors.ts";
export {
  encodeFrame,
  FrameError,
  frameKind,
  FrameReader,
  helloMagic,
  stream,
  type Frame,
  type FrameKind,
  type StreamNumber,
} from "./frame.ts";
export {
  DirectoryEntry,
  Exit,
  FileKind,
  FileStat,
  GuestError,
  GuestEvent,
  GuestFailure,
  guestResults,
  GuestStats,
  Hello,
  OomVerdict,
  type DialTarget,
  type ListenTarget,
  type GuestCall,
  type GuestMethod,
  type GuestParams,
  type GuestResult,
  type OpenParams,
  type SpawnParams,
  type WriteFileParams,
} from "./guest.ts";
export type {
  ByteSink,
  AcceptedSocket,
  ByteStream,
  GuestListener,
  Guest,
  GuestProcess,
  GuestSocket,
  HostApi,
  HostedMachine,
  HostStatus,
  MachineEnd,
  MachineOrigin,
  MachineRequest,
} from "./host-api.ts";
export { idAlphabet, letters, makeSandboxId, Region, regionOf, SandboxId } from "./ids.ts";
export {
  decodeBinary,
  encodeStreamCredit,
  encodeStreamData,
  StreamAllowance,
  StreamCredit,
  subprotocols,
  type BinaryMessage,
} from "./binary.ts";
export {
  denoEnvironment,
  denoRuntime,
  encodeRun,
  replCall,
  replCommand,
  replPrelude,
  ReplReader,
  replStandby,
  type ReplAnswer,
} from "./deno-repl.ts";
export {
  closeCode,
  keepAlive,
  RpcAnswer,
  rpcErrors,
  RpcFailure,
  RpcId,
  RpcIncoming,
  type RpcErrorName,
} from "./json-rpc.ts";
export { limits } from "./limits.ts";
export {
  CreateConfig,
  Endpoint,
  ExposeAnswer,
  ExposeVscodeAnswer,
  ExposeRequest,
  ExtendAnswer,
  ExtendRequest,
  NetworkSettings,
  headers,
  IngressEndpoint,
  Labels,
  paths,
  SandboxEventSummary,
  SandboxSummary,
  SignAnswer,
  SignRequest,
  tokenPrefix,
} from "./rest.ts";
export { DenoExtension } from "./rpc/deno.ts";
export { WalkEntry } from "./rpc/file-search.ts";
export { type DirEntry, type FileInfo } from "./rpc/files.ts";
export {
  sandboxMethods,
  type SandboxInput,
  type SandboxMethodName,
  type SandboxParams,
  type SandboxResult,
} from "./rpc/methods.ts";
export {
  streamNotifications,
  watcherRestart,
  WatcherRestart,
  type StreamNotification,
} from "./rpc/streams.ts";
export { Path } from "./rpc/values.ts";
export { classForErrno, thrown, ThrownError } from "./thrown.ts";
export {
  EgressArguments,
  EgressMessage,
  EgressRequest,
  egressUserId,
  NetworkGrant,
  openAccess,
  Refusal,
} from "./egress.ts";
export { isRefusedAddress, parseIpv4 } from "./internet-address.ts";
export {
  allowNetOf,
  allowRuleText,
  AllowRule,
  NetworkPolicy,
  networkPolicyOf,
  parseAllowRule,
  readName,
  ruleForAddress,
  ruleForName,
} from "./network-policy.ts";
export { MachineLabel } from "./machine-label.ts";
export {
  isSecretFor,
  placeholderPrefix,
  SecretChange,
  SecretConfig,
  SecretGrant,
  secretGrantOf,
  SecretList,
  SecretPlace,
  SecretSummary,
  type Destination,
} from "./secrets.ts";
export { encodeOpenSshKey, type OpenSshKeyPair } from "./openssh-key.ts";
export {
  ExposeSshAnswer,
  parseAuthorizedKey,
  SshAuthorizeAnswer,
  SshAuthorizeRequest,
  SshEndpoint,
  SshKey,
  SshKeyRequest,
  sshKeyTypes,
  type AuthorizedKey,
} from "./ssh.ts";
export { TerminalInput, TerminalOutput, terminalProtocols } from "./terminal.ts";
