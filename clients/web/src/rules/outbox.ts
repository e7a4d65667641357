/**
 * Publications on their way: one request in flight per room, the others wait in order.
 *
 * API Gateway may run two messages of one client at the same time, so order needs the answer. An
 * unanswered request is sent again with the same ids, on the same connection or the next one; the
 * server drops the repeat.
 */

import { SENT, type Tried } from "./tried.js";
import {
  FRAME_BYTES,
  ITEM_BYTES,
  ITEMS_PER_PUBLISH,
  ROOM_NAME_BYTES,
  WAITING_BYTES,
  WAITING_PUBLICATIONS,
} from "./times.js";
import { byteLength } from "./text.js";

export interface Item {
  readonly pid: string;
  /** The data, as JSON. */
  readonly json: string;
  /** Size of the data. */
  readonly bytes: number;
}

/** The publications of one room; never empty. */
interface Line extends Tried {
  items: Item[];
  /** Number of first items in one request, sent or to be sent again. */
  batch: number;
  /** Number of first items that go each by itself, because a request of several was refused. */
  alone: number;
}

/** The lines by room. */
export type Outbox = Map<string, Line>;

/** Takes a publication; false if the outbox is full. */
export function push(outbox: Outbox, room: string, pid: string, json: string, now: number): boolean {
  const bytes = byteLength(json);
  const waiting = [...outbox.values()].flatMap((line) => line.items);
  const waitingBytes = waiting.reduce((sum, item) => sum + item.bytes, bytes);
  if (waiting.length >= WAITING_PUBLICATIONS || waitingBytes > WAITING_BYTES) return false;
  if (!outbox.has(room)) outbox.set(room, { items: [], batch: 0, ask: now, tries: 0, alone: 0 });
  outbox.get(room)!.items.push({ pid, json, bytes });
  return true;
}

/** The items of the next request of a room, which is being sent. */
export function send(outbox: Outbox, room: string): Item[] {
  const line = outbox.get(room)!;
  line.ask = SENT;
  line.batch ||= nextBatch(line);
  return line.items.slice(0, line.batch);
}

/** Ends the request of a room, and returns its items. */
export function finish(outbox: Outbox, room: string, now: number): Item[] {
  const line = outbox.get(room);
  if (!line) return [];
  const done = line.items.splice(0, line.batch);
  if (!line.items.length) outbox.delete(room);
  Object.assign(line, { batch: 0, ask: now, tries: 0, alone: Math.max(0, line.alone - done.length) });
  return done;
}

/** The request of a room was refused for good. Returns the items that are lost by that. */
export function refuse(outbox: Outbox, room: string, oneOfThem: boolean, now: number): Item[] {
  const line = outbox.get(room);
  if (!line || !oneOfThem || line.batch <= 1) return finish(outbox, room, now);
  Object.assign(line, { batch: 0, ask: now, alone: line.batch });
  return [];
}

/** The number of items that one request and one frame carry, without an id twice. */
function nextBatch({ items, alone }: Line): number {
  if (alone) return 1;
  let bytes = ROOM_NAME_BYTES;
  const ids = new Set<string>();
  for (const item of items.slice(0, ITEMS_PER_PUBLISH)) {
    bytes += item.bytes + item.pid.length + ITEM_BYTES;
    if (ids.size && (ids.has(item.pid) || bytes > FRAME_BYTES)) break;
    ids.add(item.pid);
  }
  return ids.size;
}
