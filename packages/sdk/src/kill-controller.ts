/** Signals that a process can be sent or ended by: `"SIGTERM"`, `"SIGKILL"`, `"SIGUSR1"` and so on. */
export type Signal = `SIG${Uppercase<string>}`;

export type KillSignalListener = (signal: Signal) => void;

/** The exit code of a command that such a signal ends: after one of these, nothing is started. */
const endingCodes: Readonly<Record<string, number>> = {
  SIGTERM: 128 + 15,
  SIGKILL: 128 + 9,
  SIGABRT: 128 + 6,
  SIGQUIT: 128 + 3,
  SIGINT: 128 + 2,
};

/** Only the controller sends; {@link KillSignal} hands it the way in. */
let send: (to: KillSignal, signal: Signal) => void;

/** Passes the signals of a {@link KillController} on to commands. */
export class KillSignal {
  readonly #listeners = new Set<KillSignalListener>();
  #exitCode: number | undefined;

  static {
    send = (to, signal) => {
      to.#exitCode = endingCodes[signal] ?? to.#exitCode;
      for (const listener of [...to.#listeners]) listener(signal);
    };
  }

  /** Whether a signal that ends a process was sent. */
  get aborted(): boolean {
    return this.#exitCode !== undefined;
  }

  /** The exit code of what is started after such a signal; `undefined` before it. */
  get abortedExitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Calls `listener` with every signal that is sent from now on. */
  addListener(listener: KillSignalListener): void {
    this.#listeners.add(listener);
  }

  removeListener(listener: KillSignalListener): void {
    this.#listeners.delete(listener);
  }
}

/** Sends signals to the commands that carry its {@link KillSignal}, as `AbortController` does for operations. */
export class KillController {
  readonly signal: KillSignal = new KillSignal();

  /**
   * Sends a signal to the commands.
   *
   * @param signal Default `"SIGTERM"`.
   */
  kill(signal: Signal = "SIGTERM"): void {
    send(this.signal, signal);
  }
}
