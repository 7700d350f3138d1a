import {
  classForErrno,
  GuestError,
  rpcErrors,
  SandboxError,
  thrown,
  type RpcFailure,
  type ThrownError,
} from "@skerry/protocol";

/** How a call failed: an error of the call itself, or what the sandbox threw. */
export type Failure =
  | { readonly kind: "rpc"; readonly error: RpcFailure }
  | { readonly kind: "thrown"; readonly error: ThrownError };

/** A failure whose shape on the wire is already known. */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.error.message);
    this.failure = failure;
  }
}

/** One way in which parameters do not fit. */
export interface ParamIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly code?: string | undefined;
  readonly expected?: unknown;
}

/**
 * The caller's parameters do not fit. The Python client reads the issues from `message`, in the shape
 * in which zod throws them; ours reads `paths`.
 */
export function invalidParams(issues: readonly ParamIssue[]): CallFailure {
  const told = issues.map(({ path, message, code, expected }) => ({
    path: path.map(String),
    message,
    code: code ?? "custom",
    expected: typeof expected === "string" ? expected : message,
  }));
  return rpcFailure(rpcErrors.INVALID_PARAMS, undefined, {
    code: "INVALID_PARAMS",
    paths: told.map(({ path }) => path.join(".")),
    constructorName: "ZodError",
    name: "ZodError",
    message: JSON.stringify(told),
  });
}

/** What JSON-RPC says to an unknown method, word for word: clients compare the message. */
export function methodNotFound(): CallFailure {
  return rpcFailure(rpcErrors.METHOD_NOT_FOUND);
}

/** The connection is at a limit; the same call may succeed later. */
export function tooMuch(code: string, message: string): CallFailure {
  return rpcFailure(rpcErrors.SERVER_ERROR, message, { code });
}

/** Bytes of a kept process that the client wants are not there, or the process is not kept. */
export function outputLost(): CallFailure {
  const message = "The output of this process from there on is not kept (any more).";
  return rpcFailure(rpcErrors.SERVER_ERROR, message, { code: "OUTPUT_LOST" });
}

/** What the reader of a kept process gets when another socket goes on reading. */
export function takenOver(): CallFailure {
  return throwing("Error", "Another connection has taken over the output.", "OUTPUT_TAKEN_OVER");
}

/** The machine has ended under the call. */
export function sandboxEnded(reason: string): CallFailure {
  const message = `${rpcErrors.ISOLATE_INTERNAL_ERROR.message}: ${reason}`;
  return rpcFailure(rpcErrors.ISOLATE_INTERNAL_ERROR, message, { code: "SANDBOX_GONE" });
}

/** What a client throws when the call was aborted by its signal. */
export function aborted(): CallFailure {
  const error = thrown("DOMException", "The signal has been aborted", null);
  return new CallFailure({ kind: "thrown", error: { ...error, name: "AbortError" } });
}

/** An error that the client throws as its own, by the name of its class. */
export function throwing(className: string, message: string, code: string | null): CallFailure {
  return new CallFailure({ kind: "thrown", error: thrown(className, message, code) });
}

/** What the clients take for "this process has ended already". */
export function noSuchProcess(): CallFailure {
  return throwing("TypeError", "Child process has already terminated", "ENOENT");
}

/** What to answer for whatever a handler threw; null when it is a fault of the server's. */
export function failureOf(error: unknown): Failure | null {
  if (error instanceof CallFailure) return error.failure;
  if (error instanceof GuestError) {
    const { errno, message } = error;
    return { kind: "thrown", error: thrown(classForErrno(errno), message, errno) };
  }
  if (error instanceof SandboxError) {
    if (error.code === "SANDBOX_GONE") return sandboxEnded(error.message).failure;
    const { code, message } = error;
    return { kind: "rpc", error: { ...rpcErrors.SERVER_ERROR, message, data: { code } } };
  }
  return null;
}

/** A fault of the server's: the client gets an id by which the log has the rest. */
export function internalFailure(traceId: string): Failure {
  const data = { code: "INTERNAL", traceId };
  return { kind: "rpc", error: { ...rpcErrors.INTERNAL_ERROR, data } };
}

function rpcFailure(
  { code, message }: { readonly code: number; readonly message: string },
  told: string = message,
  data?: Readonly<Record<string, unknown>>,
): CallFailure {
  const error = { code, message: told, ...(data !== undefined && { data }) };
  return new CallFailure({ kind: "rpc", error });
}
