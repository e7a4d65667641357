/** Blocks that arrived beyond a gap, or before the reply that states where a room stands. */

import { HELD_BYTES, HELD_MESSAGES, HELD_OVERHEAD_BYTES } from "./times.js";
import type { Block, Position, WireMessage } from "./types.js";
import { byteLength } from "./text.js";

/** Messages of one epoch, bounded in number and bytes. */
export interface Held {
  ep?: string | undefined;
  /** `undefined` for a position that is left out: the client's own publication, without echo. */
  messages: Map<number, WireMessage | undefined>;
  bytes: number;
}

export function emptyHeld(): Held {
  return { messages: new Map(), bytes: 0 };
}

function sizeBytes(message: WireMessage | undefined): number {
  return HELD_OVERHEAD_BYTES + (message ? byteLength(JSON.stringify(message.data)) : 0);
}

/**
 * Holds a block. A block of another epoch replaces all held messages. One message too many empties
 * the buffer: the log has all of them.
 */
export function hold(held: Held, block: Block): void {
  if (held.ep !== block.ep) {
    clearHeld(held);
    held.ep = block.ep;
  }
  const end = block.m.length + (block.skip ?? 0);
  for (let n = 0; n < end; n++) {
    const message = block.m[n];
    if (!held.messages.has(block.seq + n)) held.bytes += sizeBytes(message);
    held.messages.set(block.seq + n, message);
    if (held.messages.size > HELD_MESSAGES || held.bytes > HELD_BYTES) return clearHeld(held);
  }
}

/**
 * The position before the first held message of the epoch of `head`; `head` itself if no held
 * message is at or below it.
 */
export function beginsAfter(held: Held, head: Position): Position {
  const first = held.ep === head.ep ? Math.min(...held.messages.keys()) : Infinity;
  return first <= head.seq ? { ep: head.ep, seq: first - 1 } : head;
}

/** Removes a held message. */
export function removeHeld(held: Held, seq: number): WireMessage | undefined {
  const message = held.messages.get(seq);
  held.messages.delete(seq);
  held.bytes -= sizeBytes(message);
  return message;
}

/** Drops the messages at or below a position. */
export function dropThrough(held: Held, at: Position): void {
  if (held.ep === at.ep) {
    for (const seq of held.messages.keys()) if (seq <= at.seq) removeHeld(held, seq);
  }
}

export function clearHeld(held: Held): void {
  Object.assign(held, emptyHeld());
  held.ep = undefined;
}
