/** Milliseconds that never run backwards and include sleep. */

/** Differences of the two clocks up to this are drift, not sleep. */
const JUMP_MS = 1_000;

/**
 * `performance.now()` stands still while most machines sleep, and `Date.now()` may be set back. So
 * the time is `performance.now()` plus every jump ahead of `Date.now()`.
 */
export function createClock(): () => number {
  const steady = (): number => (typeof performance === "object" ? performance.now() : Date.now());
  let apart = Date.now() - steady();
  let slept = 0;
  return () => {
    const time = steady();
    const jump = Date.now() - time - apart;
    if (Math.abs(jump) > JUMP_MS) {
      apart += jump;
      slept += Math.max(0, jump);
    }
    return Math.floor(time + slept);
  };
}
