/**
 * Parses the frames of the server. A frame or block of an unknown kind is ignored; a malformed one
 * never throws.
 */

import type { Block, Failure, Joined, Position } from "./types.js";

interface EphemeralItem {
  by: string;
  key?: string;
  data: unknown;
  from?: string;
}

/** A block: publications, ephemeral publications, or presence. */
export interface AnyBlock extends Block {
  e: EphemeralItem[];
  p: { members: number; users?: number | null; in?: string[]; out?: string[] };
}

/** A frame; its fields are as in PROTOCOL.md, and unchecked. */
export interface Frame {
  id: number | null;
  ok: unknown;
  err: unknown;
  b: unknown;
  sys: unknown;
  room: string;
  code: string;
  retry: string;
  behind: unknown;
}

/**
 * The shape of JSON: a type's name, the shape of all items of a list, or the shapes of an object's
 * fields.
 */
export type Shape = string | [Shape] | { readonly [field: string]: Shape };

const POSITION: Shape = { ep: "string", seq: "number" };
export const BLOCK: Shape = { ...POSITION, room: "string", m: [{ id: "string", by: "string" }] };
export const EPHEMERAL: Shape = { room: "string", e: [{ by: "string" }] };
export const PRESENCE: Shape = { room: "string", p: { members: "number" } };
const FAILURE: Shape = { code: "string", retry: "boolean" };
export const JOINED_WORD: Shape = { ...POSITION, room: "string" };
export const LEFT_WORD: Shape = { room: "string", code: "string" };
export const BYE: Shape = { code: "string", retry: "string" };
/** Answers to questions, by action. */
export const PAGES: Record<"history" | "who", Shape> = {
  history: { seq: "number", history: [BLOCK] },
  who: { members: "number" },
};

export function fits(value: any, shape: Shape): boolean {
  if (typeof shape === "string") return typeof value === shape;
  if (Array.isArray(shape)) return Array.isArray(value) && value.every((item) => fits(item, shape[0]));
  return typeof value === "object" && !!value && Object.entries(shape).every(([field, inner]) => fits(value[field], inner));
}

export const isFailure = (value: unknown): value is Failure => fits(value, FAILURE);

export const isPosition = (value: unknown): value is Position => fits(value, POSITION);

export function isJoined(value: unknown): value is Joined {
  return isPosition(value) && ((value as Joined).b == null || fits((value as Joined).b, [BLOCK]));
}

/** The entries of an object that came as JSON; its keys may be `__proto__` or `toString`. */
export function entriesOf(value: unknown): [string, unknown][] {
  return fits(value, {}) ? Object.entries(value as object) : [];
}

export function readFrame(text: string): Frame | undefined {
  try {
    const frame: unknown = JSON.parse(text);
    return fits(frame, {}) ? (frame as Frame) : undefined;
  } catch {
    return undefined;
  }
}
