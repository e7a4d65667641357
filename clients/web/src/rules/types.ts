/** Types of the rules: frames as they arrive, and outputs as the driver carries them out. */

/** A place in a room's log: epoch and sequence. */
export interface Position {
  readonly ep: string;
  readonly seq: number;
}

/** Why the server refused a request. */
export interface Failure {
  code: string;
  retry: boolean;
  message: string;
  after_ms?: number | null;
  field?: string | null;
}

/** How a connection was lost, or why it did not open. */
export interface Loss {
  /**
   * `denied`, `refused`, `connection_failed`, `connection_lost`, `no_answer`, or the code of a
   * `bye` or a refusal.
   */
  readonly code: string;
  /** HTTP status of the handshake. */
  readonly status?: number;
  readonly detail?: unknown;
}

/** A message of a block, as it arrives. */
export interface WireMessage {
  id: string;
  by: string;
  at: number;
  data: unknown;
  from?: string;
}

/** A contiguous run of a room's publications. */
export interface Block {
  room: string;
  ep: string;
  seq: number;
  m: WireMessage[];
  skip?: number;
}

/** The answer to a join, and one room's part of the answer to a sync. */
export interface Joined {
  ep: string;
  seq: number;
  members?: number | null;
  recovered?: boolean | null;
  next?: number | null;
  b?: Block[];
}

/** The answer to `history`. */
export interface HistoryReply {
  /** Absent for a room that nothing was published to. */
  ep?: string | null;
  seq: number;
  before?: number | null;
  history: Block[];
}

/** A user in a room. */
export interface Present {
  readonly user: string;
  /** When the first of the user's connections came, milliseconds since 1970. */
  readonly since: number;
  readonly devices?: readonly string[];
  readonly connections: number;
}

/** The answer to `who`. */
export interface WhoReply {
  members: number;
  users?: Present[] | null;
  next?: string | null;
}

/** The answer to a question: a page, a refusal, or nothing after several tries. */
export interface Answer<T> {
  page?: T;
  failure?: Failure | undefined;
}

/** A question about a room. */
export interface Question {
  readonly action: "history" | "who";
  readonly room: string;
  /** For `history` only: sequences before this one. */
  readonly before?: number | undefined;
  /** For `who` only: users after this name. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** A publication. */
export interface Message<Data = unknown> {
  readonly type: "message";
  readonly room: string;
  readonly position: Position;
  /** The publication id. */
  readonly pid: string;
  /** The user who published it. */
  readonly by: string;
  /** When it was accepted, milliseconds since 1970. */
  readonly at: number;
  readonly data: Data;
  /** The connection it came from, if it came from one. */
  readonly from: string | undefined;
}

/** An ephemeral publication, of `send()`. */
export interface Ephemeral {
  readonly type: "ephemeral";
  readonly room: string;
  readonly by: string;
  /** It replaces what this user sent before with the same key. */
  readonly key: string | undefined;
  readonly data: unknown;
  readonly from: string | undefined;
}

/** The events that the rules report to the application. */
export type Event =
  | { type: "online" }
  | { type: "offline"; because: Loss; retryInMs: number }
  | { type: "resting" }
  | { type: "ended"; because: Loss }
  | { type: "joined"; room: string; position: Position; members: number | undefined }
  | { type: "resumed"; room: string; position: Position; replayed: number }
  | { type: "missed"; room: string; from: Position; to: Position }
  | Message
  | Ephemeral
  | { type: "presence"; room: string; members: number; users: number | undefined; came: string[]; went: string[] }
  | { type: "left"; room: string }
  | { type: "removed"; room: string; code: string }
  | { type: "refused"; room: string; failure: Failure }
  | { type: "accepted"; room: string; pid: string; repeated: boolean }
  | { type: "rejected"; room: string; pid: string; failure: Failure }
  | { type: "history"; ticket: number; answer: Answer<HistoryReply> }
  | { type: "who"; ticket: number; answer: Answer<WhoReply> };

/** The outputs that the driver carries out, in order. */
export type Output =
  | { type: "connect"; link: number }
  | { type: "send"; link: number; text: string }
  | { type: "renew"; link: number }
  | { type: "close"; link: number }
  | Event;

export type Emit = (output: Output) => void;

/** Returns a whole number from 0 to `most`, both included. */
export type Chance = (most: number) => number;

/** Why the rules do not take a request of the application. */
export type NotTaken = "closed" | "too_many_rooms" | "queue_full" | "too_many_questions";
