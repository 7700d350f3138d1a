import type { Progress } from "../../packages/host/src/images/index.ts";

/** Where progress is shown: a terminal, or anything that takes lines. */
export interface DisplayStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Options of {@link ProgressDisplay}. */
export interface DisplayOptions {
  readonly stream: DisplayStream;
  /** Colour on a terminal. Default: unless NO_COLOR is set. */
  readonly color?: boolean;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

const quietMs = 2_000;
const redrawMs = 250;

interface Step {
  readonly name: string;
  readonly startedMs: number;
  detail: string;
  isAnnounced: boolean;
}

/**
 * Shows steps as they go. On a terminal one line for each running step, redrawn with what it does and for how long;
 * elsewhere one line when a step has run for two seconds and one at its end. Steps that are quicker than that leave no trace.
 */
export class ProgressDisplay implements Disposable {
  readonly #stream: DisplayStream;
  readonly #isTerminal: boolean;
  readonly #color: boolean;
  readonly #now: () => number;
  readonly #steps = new Map<string, Step>();
  readonly #timer: NodeJS.Timeout;
  #drawnLines = 0;

  constructor({ stream, color = !process.env["NO_COLOR"], now }: DisplayOptions) {
    this.#stream = stream;
    this.#isTerminal = stream.isTTY === true && process.env["TERM"] !== "dumb";
    this.#color = color && this.#isTerminal;
    this.#now = now ?? (() => performance.now());
    this.#timer = setInterval(() => this.tick(), redrawMs).unref();
  }

  /** Takes what {@link Progress} tells. */
  readonly report: Progress = ({ step, detail, done }) => {
    const known = this.#steps.get(step);
    if (done === true) {
      this.#finish(step);
      return;
    }
    if (known !== undefined) known.detail = detail ?? "";
    else {
      const startedMs = this.#now();
      this.#steps.set(step, { name: step, startedMs, detail: detail ?? "", isAnnounced: false });
    }
    if (this.#isTerminal) this.tick();
  };

  /** Shows what has become due. A timer does this; tests call it. */
  tick(): void {
    if (this.#isTerminal) this.#redraw();
    else this.#announce();
  }

  /** Takes away the lines of steps that have not ended. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#steps.clear();
    if (this.#isTerminal) this.#redraw();
  }

  #finish(name: string): void {
    const step = this.#steps.get(name);
    this.#steps.delete(name);
    const elapsedMs = step === undefined ? 0 : this.#now() - step.startedMs;
    const isWorthALine = elapsedMs >= quietMs;
    if (!this.#isTerminal) {
      if (isWorthALine) this.#stream.write(`${name}: done in ${seconds(elapsedMs)}\n`);
      return;
    }
    this.#erase();
    if (isWorthALine) {
      const mark = this.#color ? "\x1b[32m✓\x1b[0m" : "✓";
      this.#stream.write(`${mark} ${name} ${this.#faint(seconds(elapsedMs))}\n`);
    }
    this.#redraw();
  }

  #announce(): void {
    for (const step of this.#steps.values()) {
      if (step.isAnnounced || this.#now() - step.startedMs < quietMs) continue;
      step.isAnnounced = true;
      this.#stream.write(`${step.name} …\n`);
    }
  }

  #redraw(): void {
    this.#erase();
    for (const step of this.#steps.values()) this.#stream.write(`${this.#line(step)}\n`);
    this.#drawnLines = this.#steps.size;
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#stream.write(`\x1b[${this.#drawnLines}A\x1b[0J`);
    this.#drawnLines = 0;
  }

  #line({ name, startedMs, detail }: Step): string {
    const head = `· ${name} `;
    const tail = detail === "" ? "" : `  ${detail}`;
    const elapsed = seconds(this.#now() - startedMs);
    // A line that wraps could not be erased.
    const room = Math.max(0, (this.#stream.columns ?? 80) - 1 - head.length - elapsed.length);
    return `${head.slice(0, this.#stream.columns ?? 80)}${this.#faint(elapsed + tail.slice(0, room))}`;
  }

  #faint(text: string): string {
    return this.#color ? `\x1b[2m${text}\x1b[0m` : text;
  }
}

function seconds(elapsedMs: number): string {
  return `${Math.max(0, Math.round(elapsedMs / 1000))} s`;
}
