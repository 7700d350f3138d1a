import { rpcErrors, type RpcFailure, type ThrownError } from "@skerry/protocol";

/** What an error may say beside its message. */
export interface SkerryErrorOptions extends ErrorOptions {
  /** What the caller can do about it, as a sentence. */
  readonly remedy?: string | undefined;
}

/** The base of every error that this package throws, except for the reason of an aborted signal. */
export class SkerryError extends Error {
  override readonly name: string = "SkerryError";
  /** A stable word to decide on; a number only in {@link SandboxCommandError}. */
  readonly code: string | number;
  /** What the caller can do about it, where that is known. */
  readonly remedy: string | undefined;

  constructor(code: string | number, message: string, options: SkerryErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** An option or argument that cannot be used. Nothing was sent. `code` is `"INVALID_OPTION"`. */
export class InvalidOptionError extends SkerryError {
  override readonly name: string = "InvalidOptionError";

  constructor(message: string, options: SkerryErrorOptions = {}) {
    super("INVALID_OPTION", message, options);
  }
}

/** A duration or a lifetime that cannot be used. */
export class InvalidTimeoutError extends InvalidOptionError {
  override readonly name = "InvalidTimeoutError";
}

/** An amount of memory that cannot be used. */
export class InvalidMemoryError extends InvalidOptionError {
  override readonly name = "InvalidMemoryError";
}

/** An access token that no server can have given out. */
export class InvalidTokenError extends InvalidOptionError {
  override readonly name = "InvalidTokenError";
}

/** No access token was given. `code` is `"MISSING_TOKEN"`. */
export class MissingTokenError extends SkerryError {
  override readonly name = "MissingTokenError";

  constructor() {
    super("MISSING_TOKEN", "An access token is required.", {
      remedy:
        "Pass it as the 'token' option, or set SKERRY_TOKEN or DENO_DEPLOY_TOKEN (`skerry env` prints one).",
    });
  }
}

/** It is not known which server to talk to. `code` is `"MISSING_ENDPOINT"`. */
export class MissingEndpointError extends SkerryError {
  override readonly name = "MissingEndpointError";

  constructor() {
    super("MISSING_ENDPOINT", "The address of a Skerry server is required.", {
      remedy:
        "Pass it as the 'endpoint' option, or set SKERRY_ENDPOINT or DENO_SANDBOX_ENDPOINT (`skerry env` prints it).",
    });
  }
}

/** The server refused a request. `code` is a row of the server's error table, as `"INVALID_TOKEN"`. */
export class ApiError extends SkerryError {
  override readonly name = "ApiError";
  declare readonly code: string;
  /** The HTTP status. */
  readonly status: number;
  /** Names the request in the server's log. */
  readonly traceId: string | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    options: SkerryErrorOptions & { readonly traceId?: string | undefined } = {},
  ) {
    super(code, message, options);
    this.status = status;
    this.traceId = options.traceId;
  }
}

/** Why a connection is of no use: it never came about, it ended, or the server fell silent. */
export type ConnectionErrorCode = "CONNECTION_FAILED" | "CONNECTION_CLOSED" | "CONNECTION_SILENT";

/** The server cannot be reached, or not any more. Every call that waits rejects with the same one. */
export class ConnectionError extends SkerryError {
  override readonly name = "ConnectionError";
  declare readonly code: ConnectionErrorCode;
  /** The WebSocket close code, when a connection was closed (RFC 6455, 7.4). */
  readonly closeCode: number | undefined;

  constructor(
    code: ConnectionErrorCode,
    message: string,
    options: SkerryErrorOptions & { readonly closeCode?: number | undefined } = {},
  ) {
    super(code, message, options);
    this.closeCode = options.closeCode;
  }
}

/** The server did not understand a call, or gave an answer that makes no sense. */
export class RpcError extends SkerryError {
  override readonly name = "RpcError";
  /** `"METHOD_NOT_FOUND"` and so on; `"INVALID_ANSWER"` when the answer itself is wrong. */
  declare readonly code: string;
  /** The number on the wire. */
  readonly rpcCode: number | undefined;
  readonly data: unknown;

  constructor(
    code: string,
    message: string,
    options: SkerryErrorOptions & { readonly rpcCode?: number; readonly data?: unknown } = {},
  ) {
    super(code, message, options);
    this.rpcCode = options.rpcCode;
    this.data = options.data;
  }

  /** @internal */
  static from(failure: RpcFailure): RpcError {
    const known = Object.entries(rpcErrors).find(([, { code }]) => code === failure.code);
    return new RpcError(known?.[0] ?? "SERVER_ERROR", failure.message, {
      rpcCode: failure.code,
      data: failure.data,
    });
  }
}

/**
 * Something failed inside the sandbox. `name` is the class that Deno has for it (`"NotFound"`,
 * `"PermissionDenied"`, `"TypeError"`), `code` the error number of the system call (`"ENOENT"`), or
 * the name again where no system call failed.
 */
export class OperationError extends SkerryError {
  override readonly name: string;
  declare readonly code: string;

  constructor(name: string, message: string, code: string | null, options?: SkerryErrorOptions) {
    super(code ?? name, message, options);
    this.name = name;
  }

  /** @internal */
  static from(thrown: ThrownError): OperationError {
    const cause = thrown.cause === null ? undefined : OperationError.from(thrown.cause);
    const { constructorName, message, code, stack } = thrown;
    const error = new OperationError(constructorName, message, code, { cause });
    // Where it happened there comes before where it was awaited here.
    if (stack !== null) error.stack = `${stack}\n${framesOf(error.stack)}`;
    return error;
  }
}

/** The lines of a stack that say where, without those that say what. */
function framesOf(stack: string | undefined): string {
  return (stack ?? "")
    .split("\n")
    .filter((line) => line.startsWith("    at "))
    .join("\n");
}

/** A part of the official client's surface that this server does not have yet. `code` is `"NOT_IMPLEMENTED"`. */
export class NotImplementedError extends SkerryError {
  override readonly name = "NotImplementedError";

  constructor(what: string) {
    super("NOT_IMPLEMENTED", `${what} is not implemented yet.`, {
      remedy: "A later version will have it.",
    });
  }
}

/** A shell command ended with an exit code that is not zero. */
export class SandboxCommandError extends SkerryError {
  override readonly name = "SandboxCommandError";
  /** The exit code: 128 + the signal's number when a signal ended the command. */
  declare readonly code: number;
  /** What the command wrote to stderr, when that was `"piped"`. */
  readonly stderr: string | null;
  /** Whether the kernel ended it for want of memory. */
  readonly oom: boolean;

  constructor(code: number, stderr: string | null, oom: boolean) {
    // The command itself is left out: it may contain what should not be in a log.
    const reason = oom ? " (process ran out of memory)" : "";
    super(code, `Command failed with exit code ${code}${reason}${stderr ? `\n${stderr}` : ""}`);
    this.stderr = stderr;
    this.oom = oom;
  }
}
