/** Time as control sees it, so that tests can move it by hand. */
export interface Clock {
  /** Unix time in ms. */
  now(): number;
  /** Runs `act` once after `delayMs`; disposing of the timer before that prevents it. */
  setTimer(delayMs: number, act: () => void): Disposable;
}

const longestDelayMs = 2_147_483_647; // Node fires timers with a longer delay at once

/** The clock of the machine. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delayMs, act) {
    const timer = setTimeout(act, Math.min(Math.max(delayMs, 0), longestDelayMs));
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
