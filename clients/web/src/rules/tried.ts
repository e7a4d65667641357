/** Requests that are repeated until they have an answer: for rooms, questions, publications. */

/** No question to the server is due. Times are at least 0. */
export const NO = -1;
/** The question was sent and has no answer. */
export const SENT = -2;

export interface Tried {
  /** When to ask the server, or NO, or SENT. */
  ask: number;
  /** Failed tries in a row. */
  tries: number;
}
