import { limits, type RpcId } from "@skerry/protocol";

import { aborted, tooMuch, type CallFailure } from "./failures.ts";
import type { Intake, IntakeSource } from "./intake.ts";

/** One call that is under way. */
export class Call {
  /** Null for a notification, which gets no answer. */
  readonly id: RpcId | null;
  readonly method: string;
  /** The weight of its parameters. */
  readonly bytes: number;
  /** What the call holds until its answer has been sent. */
  readonly held = new DisposableStack();
  /** The name by which an `abort` may mean this call. */
  abortId: number | null = null;
  readonly #controller = new AbortController();

  constructor(id: RpcId | null, method: string, bytes: number) {
    this.id = id;
    this.method = method;
    this.bytes = bytes;
  }

  /** Aborts when the client aborts the call, when it goes away, and when the sandbox ends. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  fail(failure: CallFailure): void {
    this.#controller.abort(failure);
  }
}

/** Calls that end others, which must get through when there are too many others. */
const endings: ReadonlySet<string> = new Set(["abort", "processKill"]);
const endingCallsMax = 64;

const source: IntakeSource = { name: "calls" };

/** The calls of one connection: how many run, how much they weigh, and which one an `abort` means. */
export class Calls {
  readonly #live = new Set<Call>();
  /** What an `abort` ends of calls that have been answered. */
  readonly #lingering = new Map<number, () => void>();
  readonly #intake: Intake;
  #bytes = 0;

  constructor(intake: Intake) {
    this.#intake = intake;
  }

  /** @throws {CallFailure} when the connection has too many calls under way. */
  begin(id: RpcId | null, method: string, bytes: number): Call {
    const most = limits.clientCallsMax + (endings.has(method) ? endingCallsMax : 0);
    if (this.#live.size >= most) {
      const message = `More than ${limits.clientCallsMax} calls at the same time on one connection.`;
      throw tooMuch("TOO_MANY_CALLS", message);
    }
    if (this.#intake.isStuck(source) && isGreat(bytes)) {
      throw tooMuch("TOO_MANY_BYTES", "Earlier calls with much content are not finished.");
    }
    const call = new Call(id, method, bytes);
    this.#live.add(call);
    this.#bytes += bytes;
    if (this.#bytes > limits.clientRequestBytesMax) this.#intake.hold(source);
    return call;
  }

  /** The call's answer has been sent, or it needs none. */
  end(call: Call): void {
    if (!this.#live.delete(call)) return;
    call.held.dispose();
    this.#bytes -= call.bytes;
    if (this.#bytes <= limits.clientRequestBytesMax) this.#intake.release(source);
    else if (isGreat(call.bytes)) this.#intake.progressed(source);
  }

  /** Aborts the call with this id, if it is still under way. */
  abort(abortId: number): void {
    for (const call of this.#live) if (call.abortId === abortId) call.fail(aborted());
    this.#lingering.get(abortId)?.();
  }

  /** An `abort` of a call that has been answered ends, by `stop`, what goes on because of it. */
  linger(abortId: number, stop: () => void): Disposable {
    this.#lingering.set(abortId, stop);
    return {
      [Symbol.dispose]: () => {
        if (this.#lingering.get(abortId) === stop) this.#lingering.delete(abortId);
      },
    };
  }

  failAll(failure: CallFailure): void {
    for (const call of this.#live) call.fail(failure);
  }
}

/** Whether a call weighs anything beside those that make a socket wait. */
function isGreat(bytes: number): boolean {
  return bytes > limits.guestDataBytesMax;
}
