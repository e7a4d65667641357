/** One connection: its open questions, its pings, and when it is replaced. */

import { around } from "./chance.js";
import {
  KEEP_ALIVE_JITTER_MS,
  KEEP_ALIVE_MS,
  PONG_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  ROTATE_JITTER_MS,
  ROTATE_MS,
  SETTLE_APART_MS,
  SETTLE_MS,
} from "./times.js";
import type { Shape } from "./frames.js";
import type { Chance, Failure } from "./types.js";

/** A request on its way, with the reactions to its answer. */
export interface Asked {
  /** Shape of its answer. */
  readonly shape: Shape;
  /** The request succeeded. Returns false if the answer does not fit the request. */
  done(ok: any): unknown;
  /** The request was refused, and making it again would not help. */
  refused(failure: Failure): void;
  /** Makes the failed request again, not before this time. */
  again(afterMs?: number | null): void;
}

interface Deadline {
  at: number;
  /** True if the deadline was extended because it was noticed late. */
  extended?: boolean;
}

export interface Link {
  readonly id: number;
  /** When to open the successor. */
  rotateAt: number;
  /** The replaced connection: when to close it. */
  closeAt?: number | undefined;
  /** When to get another token. */
  renewAt?: number | undefined;
  /** True if a renewal has an unknown outcome: the server may have left rooms without a notice. */
  renewalInDoubt: boolean;
  /** Rooms of the first sync that are not whole. */
  unsettled: Set<string>;
  pending: Map<number, Deadline & Asked>;
  ping?: (Deadline & { request: number }) | undefined;
  /** True if a frame came since the last ping. */
  heard?: boolean;
  /** Pings in a row without a pong. */
  unanswered: number;
  keepAliveAt: number;
  settleAt: number[];
}

export function newLink(id: number, now: number, ageMs: number, chance: Chance): Link {
  return {
    id,
    rotateAt: now + around(chance, ROTATE_MS, ROTATE_JITTER_MS) - ageMs,
    renewalInDoubt: false,
    unsettled: new Set(),
    pending: new Map(),
    unanswered: 0,
    keepAliveAt: now + around(chance, KEEP_ALIVE_MS, KEEP_ALIVE_JITTER_MS),
    settleAt: [],
  };
}

/** Nothing is asked on the link any more. */
export function retire(link: Link): Link {
  return { ...link, closeAt: undefined, pending: new Map(), ping: undefined, unanswered: 0, settleAt: [] };
}

export function markSent(link: Link, request: number, asked: Asked, now: number): void {
  link.pending.set(request, { ...asked, at: now + REQUEST_TIMEOUT_MS });
}

/** Checks the position twice from now on. */
export function settle(link: Link, now: number): void {
  for (const after of SETTLE_MS) {
    const due = now + after;
    if (!link.settleAt.some((at) => at >= due - SETTLE_APART_MS && at <= due)) link.settleAt.push(due);
  }
}

export function markPinged(link: Link, request: number, now: number, chance: Chance, timeoutMs = PONG_TIMEOUT_MS): void {
  link.ping = { request, at: now + timeoutMs };
  link.heard = false;
  link.unanswered++;
  link.keepAliveAt = now + around(chance, KEEP_ALIVE_MS, KEEP_ALIVE_JITTER_MS);
  link.settleAt = link.settleAt.filter((at) => at > now);
}

/** When the next ping is due, or the answer to the one on its way. */
export function checkDueAt({ ping, keepAliveAt, settleAt, pending }: Link): number {
  return ping ? ping.at : Math.min(keepAliveAt, ...settleAt, ...Array.from(pending.values(), ({ at }) => at));
}

/** Extends each deadline once: the process was late, and the answers may be queued. */
export function extendDeadlines(link: Link, until: number, again = false): void {
  for (const deadline of link.ping ? [link.ping, ...link.pending.values()] : link.pending.values()) {
    if (again || !deadline.extended) deadline.at = Math.max(deadline.at, until);
    deadline.extended = true;
  }
}

