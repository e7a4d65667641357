/** Questions that wait for an answer: for history, and for the users of a room. */

import { NO, SENT } from "./room.js";
import { QUESTION_TRIES, WAITING_QUESTIONS } from "./times.js";

export interface Question {
  readonly action: "history" | "who";
  readonly room: string;
  /** History only: sequences before this one. */
  readonly before?: number;
  /** Who only: users after this name. */
  readonly after?: string;
  readonly limit: number;
}

export type Questions = ReturnType<typeof newQuestions>;

export function newQuestions() {
  const waiting = new Map<number, { question: Question; ask: number; tries: number }>();

  return {
    /** Takes a question; false if too many wait. */
    push(ticket: number, question: Question, now: number): boolean {
      if (waiting.size >= WAITING_QUESTIONS) return false;
      waiting.set(ticket, { question, ask: now, tries: 0 });
      return true;
    },

    /** Questions to be sent, and when. */
    due(): [number, number][] {
      return [...waiting].filter(([, { ask }]) => ask > NO).map(([ticket, { ask }]) => [ticket, ask]);
    },

    /** A question, which is being sent. */
    send(ticket: number): Question | undefined {
      const entry = waiting.get(ticket);
      if (entry) entry.ask = SENT;
      return entry?.question;
    },

    /** A question failed. Returns the number of failures before, or nothing if the question is given up. */
    failed(ticket: number): number | undefined {
      const entry = waiting.get(ticket);
      if (!entry) return undefined;
      if (entry.tries + 1 >= QUESTION_TRIES) {
        waiting.delete(ticket);
        return undefined;
      }
      return entry.tries++;
    },

    againAt(ticket: number, at: number): void {
      const entry = waiting.get(ticket);
      if (entry) entry.ask = at;
    },

    /** A question has its answer. Returns whether it was waiting. */
    done: (ticket: number): boolean => waiting.delete(ticket),

    /** The connection is another one: sent questions are sent again at once. */
    interrupted(now: number): void {
      for (const entry of waiting.values()) if (entry.ask === SENT) entry.ask = now;
    },
  };
}
