/** Errors: a stable code, whether to retry, a message for people, and what to do about it. */

import type { Failure, Loss, NotTaken } from "./rules/types.js";

const REMEDIATIONS: Record<string, string> = {
  closed: "Call connect() again.",
  denied: "Sign the user in again, then call connect().",
  forbidden: "Let the token allow it.",
  invalid_data: "Use JSON of at most 127 levels.",
  invalid_id: "Use 1 to 64 visible ASCII characters without #.",
  invalid_room: "Use 1 to 128 of A-Z a-z 0-9 -_.:/@|+=~ or *.",
  no_answer: "Try again later.",
  no_websocket: "Pass the option WebSocket, of the package ws.",
  queue_full: "Await publish().",
  too_large: "Use at most 24 KiB, 4 KiB with send().",
  too_many_rooms: "Leave a room.",
};

export class RoomcastError extends Error {
  override readonly name: string = "RoomcastError";
  constructor(
    /** Stable, for programs. */
    readonly code: string,
    message: string,
    /** True if the same call may succeed later. */
    readonly retry: boolean = false,
    /** The action that helps, in words. */
    readonly remediation: string = REMEDIATIONS[code] ?? "",
  ) {
    super(message);
  }
}

/** Thrown by the option `token`: this user may not connect, and the client ends. */
export class Denied extends RoomcastError {
  override readonly name = "Denied";
  constructor(message = "denied by the application") {
    super("denied", message);
  }
}

/**
 * The loss that a failed call of the option `token`, or a failed handshake, leads to. `Denied` may
 * come from another copy of this package.
 */
export function lossOfToken(error: unknown): Loss {
  const isDenied = (error as Error | undefined)?.name === "Denied";
  return isDenied ? { code: "denied", status: 403 } : { code: "connection_failed", detail: error };
}

export function errorOfFailure(failure: Failure = { code: "no_answer", message: "no answer", retry: true }): RoomcastError {
  return new RoomcastError(failure.code, failure.message, failure.retry);
}

export function errorOfNotTaken(reason: NotTaken): RoomcastError {
  return new RoomcastError(reason, "not taken: " + reason, reason !== "closed");
}

/** The error of a connection; `isEnd`: no other attempt is made. */
export function errorOfLoss({ code, status, detail }: Loss, isEnd: boolean): RoomcastError {
  return new RoomcastError(code, `no connection: ${code} ${detail ?? status ?? ""}`, !isEnd);
}

export const NO_WEBSOCKET = "no_websocket";
