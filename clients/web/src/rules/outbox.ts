/**
 * Publications on their way: one request in flight per room, the others wait in order.
 *
 * API Gateway may run two messages of one client at the same time, so order needs the answer. An unanswered request is
 * sent again with the same ids, on the same connection or the next one; the server drops the repeat.
 */

import {
  FRAME_BYTES,
  ITEM_BYTES,
  ITEMS_PER_PUBLISH,
  ROOM_NAME_BYTES,
  WAITING_BYTES,
  WAITING_PUBLICATIONS,
} from "./times.js";
import { byteLength, sortedKeys } from "./text.js";

export interface Item {
  readonly pid: string;
  /** The data, as JSON. */
  readonly json: string;
}

/** The publications of one room; never empty. */
interface Line {
  items: Item[];
  /** Number of first items in one request, sent or to be sent again. */
  batch: number;
  sent: boolean;
  dueAt: number;
  tries: number;
  /** Number of first items that go each by itself, because a request of several was refused. */
  alone: number;
}

export type Outbox = ReturnType<typeof newOutbox>;

export function newOutbox() {
  const lines = new Map<string, Line>();
  let count = 0;
  let bytes = 0;

  /** Ends the request of a room, and returns its ids. */
  function finish(room: string, now: number): string[] {
    const line = lines.get(room);
    if (!line) return [];
    const done = line.items.splice(0, line.batch);
    line.alone = Math.max(0, line.alone - done.length);
    resetLine(line, now);
    line.tries = 0;
    if (!line.items.length) lines.delete(room);
    count -= done.length;
    for (const item of done) bytes -= byteLength(item.json);
    return done.map((item) => item.pid);
  }

  return {
    /** Takes a publication; false if the outbox is full. */
    push(room: string, item: Item, now: number): boolean {
      const size = byteLength(item.json);
      if (count >= WAITING_PUBLICATIONS || bytes + size > WAITING_BYTES) return false;
      count++;
      bytes += size;
      let line = lines.get(room);
      if (!line) lines.set(room, (line = { items: [], batch: 0, sent: false, dueAt: now, tries: 0, alone: 0 }));
      line.items.push(item);
      return true;
    },

    /** Rooms with a request to be sent, and when. */
    due(): [string, number][] {
      return sortedKeys(lines).flatMap((room) => {
        const line = lines.get(room)!;
        return line.sent ? [] : [[room, line.dueAt] as [string, number]];
      });
    },

    /** The items of the next request of a room, which is being sent. */
    send(room: string): Item[] {
      const line = lines.get(room);
      if (!line) return [];
      line.sent = true;
      line.batch ||= nextBatch(line);
      return line.items.slice(0, line.batch);
    },

    accepted: finish,

    /** The request of a room was refused for good. Returns the ids that are lost by that. */
    refused(room: string, oneOfThem: boolean, now: number): string[] {
      const line = lines.get(room);
      if (!line || !oneOfThem || line.batch <= 1) return finish(room, now);
      line.alone = line.batch;
      resetLine(line, now);
      return [];
    },

    /** The request of a room failed. Returns the number of failures before this one. */
    failed(room: string): number | undefined {
      const line = lines.get(room);
      return line && line.tries++;
    },

    /** Sends the request of a room again then. */
    againAt(room: string, at: number): void {
      const line = lines.get(room);
      if (line) {
        line.sent = false;
        line.dueAt = at;
      }
    },

    /** The connection is another one: sent requests are sent again at once. */
    interrupted(now: number): void {
      for (const line of lines.values()) {
        if (line.sent) {
          line.sent = false;
          line.dueAt = now;
        }
      }
    },
  };
}

function resetLine(line: Line, now: number): void {
  line.batch = 0;
  line.sent = false;
  line.dueAt = now;
}

/** As many items as one request and one frame carry, and no id twice. */
function nextBatch({ items, alone }: Line): number {
  if (alone) return 1;
  let bytes = ROOM_NAME_BYTES;
  const ids = new Set<string>();
  for (const item of items.slice(0, ITEMS_PER_PUBLISH)) {
    bytes += byteLength(item.json) + item.pid.length + ITEM_BYTES;
    if (ids.size && (ids.has(item.pid) || bytes > FRAME_BYTES)) break;
    ids.add(item.pid);
  }
  return ids.size;
}
