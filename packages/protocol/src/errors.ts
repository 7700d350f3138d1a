/**
 * Every failure that a caller can see: its HTTP status, whether trying again can help, what it
 * means, and what to do. The HTTP API answers with `{code, message}`, so the remedy is part of the
 * message. `docs/reference/errors.md` is generated from this table.
 */
export const errors = {
  INVALID_TOKEN: {
    status: 401,
    retryable: false,
    message: "The access token is missing, invalid or expired.",
    remedy:
      "Set DENO_DEPLOY_TOKEN or SKERRY_TOKEN to a token of this server (`skerry env` prints one).",
  },
  INVALID_CONFIG: {
    status: 400,
    retryable: false,
    message: "The sandbox configuration is not valid.",
    remedy: "Correct the option that `details` names.",
  },
  INVALID_REQUEST: {
    status: 400,
    retryable: false,
    message: "The request is not valid.",
    remedy: "Correct the field that `details` names.",
  },
  MEMORY_OUT_OF_RANGE: {
    status: 400,
    retryable: false,
    message: "The memory size is out of range.",
    remedy: "Ask for 768 to 4096 MiB.",
  },
  LIFETIME_OUT_OF_RANGE: {
    status: 400,
    retryable: false,
    message: "The stop time is not in the allowed future.",
    remedy: "Ask for a time between now and the longest lifetime this server allows.",
  },
  INVALID_LABELS: {
    status: 400,
    retryable: false,
    message: "The labels exceed their limits.",
    remedy: "Use at most 5 labels, keys of at most 64 bytes and values of at most 128 bytes.",
  },
  REQUEST_TOO_LARGE: {
    status: 413,
    retryable: false,
    message: "The request is larger than this server accepts.",
    remedy: "Send less, or send the bytes as a stream.",
  },
  FORBIDDEN: {
    status: 403,
    retryable: false,
    message: "The access token may not do this.",
    remedy:
      "Use a token that may; one that is good for a single sandbox does no more than enter it.",
  },
  ORIGIN_REFUSED: {
    status: 403,
    retryable: false,
    message: "A page of this origin may not open sockets here.",
    remedy: "Connect from a program, or allow the origin in the server's configuration.",
  },
  NOT_FOUND: {
    status: 404,
    retryable: false,
    message: "Nothing is found under this path.",
    remedy: "Check the path and the method.",
  },
  CONFLICT: {
    status: 409,
    retryable: false,
    message: "It stands against what is there.",
    remedy: "Choose another name, or remove first what `details` names.",
  },
  SANDBOX_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: "No running sandbox has this id.",
    remedy: "It may have reached the end of its lifetime; `skerry list` shows what runs.",
  },
  TOO_MANY_SANDBOXES: {
    status: 429,
    retryable: true,
    message: "This server runs as many sandboxes as it is allowed to.",
    remedy: "Stop one, or raise the limit in the server's configuration.",
  },
  HOST_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: "The host cannot start a machine now.",
    remedy: "Try again; `skerry doctor` on the host tells what is missing.",
  },
  HOST_DISK_FULL: {
    status: 507,
    retryable: true,
    message: "The host's disk is full, so no machine can start.",
    remedy: "Free space below SKERRY_HOME.",
  },
  BOOT_TIMEOUT: {
    status: 504,
    retryable: true,
    message: "The machine did not become ready in time.",
    remedy: "Try again; when it persists, `skerry doctor` on the host tells more.",
  },
  EDITOR_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: "This host has no VS Code for sandboxes yet, and could not make it.",
    remedy: "See to what failed, and try again; `skerry images editor` on the host tells more.",
  },
  SANDBOX_GONE: {
    status: 410,
    retryable: false,
    message: "The sandbox has ended.",
    remedy: "Create a new one.",
  },
  INGRESS_OFF: {
    status: 501,
    retryable: false,
    message: "This server gives no names to what sandboxes serve.",
    remedy: "Start it without `--https off`.",
  },
  SSH_OFF: {
    status: 501,
    retryable: false,
    message: "This server has no SSH gateway.",
    remedy: "Start it without `--ssh off`.",
  },
  TOO_MANY_NAMES: {
    status: 429,
    retryable: false,
    message: "The sandbox has as many names as one may have.",
    remedy: "Use one of them; names end with their sandbox.",
  },
  TOO_MANY_TOKENS: {
    status: 429,
    retryable: false,
    message: "There are as many tokens as there may be.",
    remedy: "Revoke those that nobody uses; tokens of a sandbox end with it.",
  },
  NAME_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: "Nothing has this name.",
    remedy: "Names end with their sandbox, and are never given again.",
  },
  NAME_NOT_BOUND: {
    status: 503,
    retryable: true,
    message: "This name leads nowhere yet.",
    remedy: "Try again in a moment.",
  },
  NOTHING_LISTENS: {
    status: 502,
    retryable: true,
    message: "Nothing in the sandbox takes connections for this name yet.",
    remedy: "Start the server, or wait until it has started.",
  },
  BAD_ANSWER: {
    status: 502,
    retryable: true,
    message: "The server in the sandbox gave no valid HTTP answer.",
    remedy: "See what it says in the sandbox.",
  },
  ANSWER_TIMEOUT: {
    status: 504,
    retryable: true,
    message: "The server in the sandbox did not answer in time.",
    remedy: "Try again; when it persists, see what it does in the sandbox.",
  },
  TOO_MANY_REQUESTS: {
    status: 503,
    retryable: true,
    message: "The sandbox has as many requests under way as one may have.",
    remedy: "Try again when some of them have ended.",
  },
  SIGNATURE_NEEDED: {
    status: 403,
    retryable: false,
    message: "This name is private, and the request has no valid signature for it.",
    remedy: "Ask for another address; each is valid for a time.",
  },
  MISDIRECTED: {
    status: 421,
    retryable: false,
    message: "The request came over a connection for another name.",
    remedy: "Connect to the name itself.",
  },
  CANCELLED: {
    status: 499,
    retryable: false,
    message: "The caller gave up.",
    remedy: "Nothing to do.",
  },
  NOT_IMPLEMENTED: {
    status: 501,
    retryable: false,
    message: "This server does not have the feature yet.",
    remedy: "Leave the option out.",
  },
  SHUTTING_DOWN: {
    status: 503,
    retryable: true,
    message: "The server is stopping.",
    remedy: "Try again when it is back.",
  },
  INTERNAL: {
    status: 500,
    retryable: false,
    message: "Something went wrong in the server.",
    remedy: "The server's log has the details under this trace id.",
  },
} as const satisfies Record<
  string,
  {
    readonly status: number;
    readonly retryable: boolean;
    readonly message: string;
    readonly remedy: string;
  }
>;

export type ErrorCode = keyof typeof errors;

/** What the HTTP API answers with. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
}

/** The one error that crosses a boundary. Its `detail` is safe to show to the caller. */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
  readonly code: ErrorCode;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
    const { message, remedy } = errors[code];
    super(
      detail === undefined ? `${message} ${remedy}` : `${message} (${detail}) ${remedy}`,
      options,
    );
    this.code = code;
    this.detail = detail;
  }

  /** The HTTP status of this failure. */
  get status(): number {
    return errors[this.code].status;
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    return errors[this.code].retryable;
  }

  /** What it means, without the detail and what to do. */
  get headline(): string {
    return errors[this.code].message;
  }

  get remedy(): string {
    return errors[this.code].remedy;
  }

  /** The body that the HTTP API sends for this failure. */
  toBody(): ErrorBody {
    return { code: this.code, message: this.message, remedy: this.remedy };
  }
}

/** Turns whatever was thrown into an error that may be shown; what is unknown becomes `INTERNAL`. */
export function toSandboxError(error: unknown): SandboxError {
  return error instanceof SandboxError
    ? error
    : new SandboxError("INTERNAL", undefined, { cause: error });
}
