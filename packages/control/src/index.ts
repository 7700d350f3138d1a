export { systemClock, type Clock } from "./clock.ts";
export { openControl, type Control, type ControlOptions } from "./control.ts";
export type { IngressOptions } from "./ingress/ingress.ts";
export { tryLock } from "./store/lock.ts";
export { openSqliteStore } from "./store/sqlite-store.ts";
export type {
  EndReason,
  EventKind,
  EventStore,
  ExposeTarget,
  ExposureRow,
  ExposureStore,
  SandboxEvent,
  SandboxRow,
  SandboxStore,
  Store,
  TokenRow,
  TokenStore,
} from "./store/store.ts";
export { Tokens, type IssuedToken, type TokenInfo } from "./tokens/tokens.ts";
export type { AcmeOptions, SetRecord } from "./ingress/acme.ts";
export { vaultKeyBytes } from "./secrets/vault.ts";
