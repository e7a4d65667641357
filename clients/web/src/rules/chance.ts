/** Jitter of the rules, from a source of whole numbers. */

import { BACKOFF_BASE_MS, BACKOFF_CAP_MS } from "./times.js";
import type { Chance } from "./types.js";

export function around(chance: Chance, middle: number, jitter: number): number {
  return middle - jitter + chance(2 * jitter);
}

/** The pause after this many failed tries: full jitter. */
export function backoff(chance: Chance, tries: number): number {
  return chance(Math.min(BACKOFF_BASE_MS * 2 ** Math.min(tries, 20), BACKOFF_CAP_MS));
}
