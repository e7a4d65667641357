/**
 * One room, as the application reads it: each publication at most once, in order, and no gap that
 * is not reported.
 *
 * Live blocks, replays and held blocks follow one rule. A message at or below the position is
 * dropped. The message after the position is delivered. A message beyond is held until the gap is
 * filled, by a late block or by the log.
 */

import { beginsAfter, clearHeld, dropThrough, emptyHeld, hold, removeHeld, type Held } from "./held.js";
import { BEHIND_MS, EPOCHS_LEFT, HOLD_JITTER_MS, HOLD_MS } from "./times.js";
import { NO, SENT, type Tried } from "./tried.js";
import type { Block, Chance, Emit, Joined, Message, Position, WireMessage } from "./types.js";

export function toMessage(room: string, position: Position, { id, by, at, data, from }: WireMessage): Message<any> {
  return { type: "message", room, position, pid: id, by, at, data, from };
}

/** A room; it asks to join or to catch up while it is wanted, and to leave otherwise. */
export interface Room extends Tried {
  readonly name: string;
  /** True if the application wants the room; otherwise the room is being left. */
  wanted: boolean;
  /** Everything through this position was delivered. */
  at: Position | undefined;
  /** How far the room is known to go in the epoch of its position. */
  known: number;
  /**
   * The furthest position seen in another epoch since the last question: the room's history may
   * have begun anew.
   */
  otherHead?: Position | undefined;
  /** Epochs that the room has left, the last one at the end. Their blocks are late. */
  pastEpochs: string[];
  held: Held;
  /** When to ask, if the room is still behind. */
  syncAt?: number | undefined;
  announced: boolean;
  /** Number of publications replayed after an absence, until the room is whole. */
  replayed: number | undefined;
}

export type Step = "whole" | "advanced" | "stuck";

export function newRoom(name: string, since: Position | undefined, now: number): Room {
  return {
    name,
    wanted: true,
    ask: now,
    tries: 0,
    at: since,
    known: since?.seq ?? 0,
    pastEpochs: [],
    held: emptyHeld(),
    announced: false,
    replayed: since && 0,
  };
}

/** A room that a backend has joined for this connection: it is read from this position on. */
export function roomJoined(name: string, at: Position, now: number): Room {
  return { ...newRoom(name, at, now), ask: NO, announced: true, replayed: undefined };
}

/** When the gap, or the heads of a pong, are checked again. */
export function syncDueAt(room: Room): number {
  return (room.wanted && room.ask === NO && room.syncAt) || Infinity;
}

/** The question is being sent: later news is newer than its answer. */
export function markAsked(room: Room): void {
  room.ask = SENT;
  room.syncAt = undefined;
  room.known = room.at?.seq ?? 0;
  room.otherHead = undefined;
}

/** The connection was lost, with the question. */
export function interrupt(room: Room): void {
  room.ask = NO;
  room.syncAt = undefined;
  if (room.at) room.replayed ??= 0;
}

/** Reads a live block. */
export function readBlock(room: Room, block: Block, now: number, chance: Chance, emit: Emit): void {
  if (room.pastEpochs.includes(block.ep)) return;
  note(room, { ep: block.ep, seq: block.seq + block.m.length + (block.skip ?? 0) - 1 });
  take(room, block, emit);
  watch(room, now, chance);
}

/** Reads the answer to a question that was asked from `since`. */
export function readReply(
  room: Room,
  since: Position | undefined,
  reply: Joined,
  now: number,
  chance: Chance,
  emit: Emit,
): Step {
  room.ask = NO;
  const head = { ep: reply.ep, seq: reply.seq };
  if (!room.announced) {
    room.announced = true;
    emit({ type: "joined", room: room.name, position: head, members: reply.members ?? undefined });
  }
  note(room, head);
  const before = room.at;
  const sameEpoch = before?.ep === head.ep;
  const recovered = reply.recovered === true && sameEpoch;
  if (recovered) {
    for (const block of reply.b ?? []) take(room, block, emit);
  } else if (!since && sameEpoch) {
    // The request was sent before there was a position, and another one was answered first: the
    // next request asks for the rest.
  } else if (!hasAll(room, since, head)) {
    rebase(room, head, emit);
  }
  const advanced = before && room.at && before.ep === room.at.ep ? room.at.seq - before.seq : 0;
  if (recovered && room.replayed !== undefined) room.replayed += advanced;
  if (recovered && reply.next != null) return advanced > 0 ? "advanced" : "stuck";
  room.tries = 0;
  if (room.replayed !== undefined && room.at) {
    emit({ type: "resumed", room: room.name, position: room.at, replayed: room.replayed });
  }
  room.replayed = undefined;
  watch(room, now, chance);
  return "whole";
}

/** Handles the head of a room in a pong. */
export function readHead(room: Room, head: Position, now: number): void {
  if (room.pastEpochs.includes(head.ep)) return;
  note(room, head);
  if (isBehind(room) && room.ask === NO) {
    room.syncAt = Math.min(room.syncAt ?? Infinity, now + BEHIND_MS);
  }
}

/**
 * Returns whether a reply without a replay leaves nothing out: everything arrived live meanwhile.
 */
function hasAll({ at }: Room, since: Position | undefined, head: Position): boolean {
  return (
    !!at && !!since && at.ep === head.ep && since.ep === head.ep && since.seq <= head.seq && head.seq <= at.seq
  );
}

/**
 * Continues at the head of the room. In another epoch it continues before the first held message of
 * that epoch: the messages in between are on their way, or are requested from there.
 */
function rebase(room: Room, head: Position, emit: Emit): void {
  const from = room.at;
  const to = from && from.ep !== head.ep ? beginsAfter(room.held, head) : head;
  if (from?.ep !== head.ep) {
    const isSeen = room.otherHead?.ep === head.ep;
    room.known = isSeen ? room.otherHead!.seq : head.seq;
    if (isSeen) room.otherHead = undefined;
    if (from) room.pastEpochs = [...room.pastEpochs, from.ep].filter((ep) => ep !== head.ep).slice(-EPOCHS_LEFT);
  }
  room.at = to;
  if (from) {
    room.replayed = undefined;
    emit({ type: "missed", room: room.name, from, to });
  }
  if (room.held.ep !== head.ep) clearHeld(room.held);
  drain(room, emit);
}

function take(room: Room, block: Block, emit: Emit): void {
  const { at } = room;
  if (!at || at.ep !== block.ep || block.seq > at.seq + 1) return hold(room.held, block);
  const end = block.m.length + (block.skip ?? 0);
  // Messages at or below the position are skipped.
  for (let n = Math.max(0, at.seq + 1 - block.seq); n < end; n++) deliver(room, block.seq + n, block.m[n], emit);
  drain(room, emit);
}

/** Moves to the next position; a position that is left out moves it too. */
function deliver(room: Room, seq: number, message: WireMessage | undefined, emit: Emit): void {
  if (!room.at) return;
  const at = (room.at = { ep: room.at.ep, seq });
  // The room moves: messages that are still missing get their full time.
  room.syncAt = undefined;
  if (message) emit(toMessage(room.name, at, message));
}

function drain(room: Room, emit: Emit): void {
  const { held } = room;
  while (room.at && held.ep === room.at.ep && held.messages.has(room.at.seq + 1)) {
    const seq = room.at.seq + 1;
    deliver(room, seq, removeHeld(held, seq), emit);
  }
  if (room.at) dropThrough(held, room.at);
}

/**
 * Records that the head of the room is at `at` or further. A late block of the position's epoch
 * does not hide another epoch.
 */
function note(room: Room, at: Position): void {
  if (room.at?.ep === at.ep) room.known = Math.max(room.known, at.seq);
  else if (room.otherHead?.ep !== at.ep || room.otherHead.seq < at.seq) room.otherHead = at;
}

function isBehind({ at, known, otherHead }: Room): boolean {
  return !!at && (!!otherHead || known > at.seq);
}

/** Schedules the question for a gap, and none without a gap. */
function watch(room: Room, now: number, chance: Chance): void {
  if (!isBehind(room)) room.syncAt = undefined;
  else if (room.syncAt === undefined && room.ask === NO) room.syncAt = now + HOLD_MS + chance(HOLD_JITTER_MS);
}
