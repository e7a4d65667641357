/**
 * A room as the application holds it. Each `join` gives a handle of its own; all handles share one
 * membership.
 */

import { createEmitter, type Emitter } from "./emitter.js";
import { RoomcastError } from "./error.js";
import { toMessage } from "./rules/room.js";
import { PAGE } from "./rules/times.js";
import type { Ephemeral, HistoryReply, Message, Position, Present } from "./rules/types.js";

export interface Presence {
  /** Number of connections in the room. */
  readonly members: number;
  /** Names of the users in the room, sorted; only in rooms of up to 100 members. */
  readonly users: readonly string[] | undefined;
}

export interface RoomEvents<Data> {
  /** The room is joined. */
  joined: { readonly position: Position; readonly members: number | undefined };
  /** A publication: once, and in order. */
  message: Message<Data>;
  ephemeral: Ephemeral;
  presence: Presence;
  /**
   * Publications after `from`, up to and with `to`, are not delivered: too many, too old, or the
   * history began again.
   */
  missed: { readonly from: Position; readonly to: Position };
  /** After an absence: everything published meanwhile was delivered. */
  resumed: { readonly position: Position; readonly replayed: number };
  /** A publication of this client was refused. Its promise is rejected too. */
  rejected: { readonly pid: string; readonly error: RoomcastError };
  /** The room ended for this client: refused, removed, or the client ended. */
  closed: RoomcastError;
}

/** Users of a room. */
export interface Who {
  readonly members: number;
  /** Only in rooms of up to 1,000 members. */
  readonly users: readonly Present[] | undefined;
}

export interface Room<Data = unknown> {
  readonly name: string;
  readonly state: "joining" | "joined" | "closed";
  /** Everything through this position was delivered. Keep it, and pass it as `since`. */
  readonly position: Position | undefined;
  /** Resolves when the room is joined, and rejects when it may not be. It needs no handler. */
  readonly joined: Promise<void>;
  on: Emitter<RoomEvents<Data>>["on"];
  /**
   * Publishes, and resolves when the publication is durable. While offline it waits in a bounded
   * queue.
   */
  publish(data: Data, options?: { pid?: string }): Promise<{ pid: string; repeated: boolean }>;
  /** Sends to the members that are there now; best effort. */
  send(data: unknown, options?: { key?: string }): void;
  /**
   * The publications from now on, pulled. A slow reader gets those that did not fit into its buffer
   * from the log.
   */
  messages(options?: { signal?: AbortSignal }): AsyncGenerator<Message<Data>, void, undefined>;
  /** Pages of older publications, each in order, the latest page first. */
  history(options?: { before?: number; limit?: number }): AsyncGenerator<Message<Data>[], void, undefined>;
  /** The users in the room. */
  who(): Promise<Who>;
  /** Leaves the room. The membership ends 2 s after the last handle has left. */
  leave(): void;
  [Symbol.dispose](): void;
}

/** Messages that a reader of `messages()` may be behind before the log is read. */
const BUFFER = 1_000;

/** The functions of the client that a handle needs. */
export interface Host {
  position(room: string): Position | undefined;
  publish(room: string, data: unknown, pid: string | undefined): Promise<{ pid: string; repeated: boolean }>;
  send(room: string, data: unknown, key: string | undefined): void;
  history(room: string, before: number | undefined, limit: number): Promise<HistoryReply>;
  who(room: string): Promise<Who>;
}

export type Handle = Emitter<RoomEvents<any>> & { room: Room<any>; close(error?: RoomcastError): void; markJoined(): void };

export function createHandle(
  name: string,
  host: Host,
  isJoined: boolean,
  release: (handle: Handle) => void,
  needRoster: () => void,
): Handle {
  const emitter = createEmitter<RoomEvents<any>>();
  /** Ends the readers of `messages()`; a `leave` ends them without an error. */
  const readers = new Set<(error?: RoomcastError) => void>();
  let state: Room["state"] = isJoined ? "joined" : "joining";
  let settle: { resolve: () => void; reject: (error: unknown) => void };
  const joined = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
  joined.catch(() => {});
  if (isJoined) settle!.resolve();

  async function readHistory(before: number | undefined, limit: number) {
    const { ep, before: older, history } = await host.history(name, before, limit);
    const rows = history.flatMap(({ ep, seq, m }) => m.map((message, n) => toMessage(name, { ep, seq: seq + n }, message)));
    return { ep, older: older ?? undefined, rows };
  }

  /** Reads a range of the log, in order. Publications that have expired are left out. */
  async function* readRange(ep: string, from: number, to: number) {
    for (let first = from; first <= to; first += PAGE) {
      const rows: Message<any>[] = [];
      let before: number | undefined = Math.min(first + PAGE, to + 1);
      while (before !== undefined && before > first) {
        const page: Awaited<ReturnType<typeof readHistory>> = await readHistory(before, before - first);
        if (page.ep !== ep) return;
        rows.unshift(...page.rows.filter(({ position }) => position.seq >= first));
        before = page.older;
      }
      yield* rows;
    }
  }

  const room: Room<any> = {
    name,
    joined,
    get state() {
      return state;
    },
    get position() {
      return host.position(name);
    },
    on(type, handler, options) {
      const off = emitter.on(type, handler, options);
      if (type === "presence" && state === "joined") needRoster();
      return off;
    },
    publish: (data, { pid } = {}) => host.publish(name, data, pid),
    send: (data, { key } = {}) => host.send(name, data, key),
    messages({ signal } = {}) {
      const queue: Message<any>[] = [];
      let lost: { ep: string; from: number; to: number } | undefined;
      let over = state === "closed";
      let failure: RoomcastError | undefined;
      let wake = (): void => {};
      const finish = (error?: RoomcastError): void => {
        if (!over) failure = error;
        over = true;
        wake();
      };
      const off = emitter.on("message", (message) => {
        queue.push(message);
        if (queue.length > BUFFER) {
          const { ep, seq } = queue.shift()!.position;
          lost = { ep, from: lost?.ep === ep ? lost.from : seq, to: seq };
        }
        wake();
      });
      readers.add(finish);
      const abort = (): void => finish();
      signal?.addEventListener("abort", abort);
      return (async function* () {
        try {
          while (!signal?.aborted) {
            if (lost) {
              const { ep, from, to } = lost;
              lost = undefined;
              yield* readRange(ep, from, to);
            } else if (queue.length) yield queue.shift()!;
            else if (failure) throw failure;
            else if (over) return;
            else await new Promise<void>((resolve) => (wake = resolve));
          }
        } finally {
          signal?.removeEventListener("abort", abort);
          off();
          readers.delete(finish);
        }
      })();
    },
    async *history({ before, limit = PAGE } = {}) {
      let older = before;
      do {
        const page = await readHistory(older, limit);
        if (page.rows.length) yield page.rows;
        older = page.older;
      } while (older !== undefined);
    },
    who: () => host.who(name),
    leave() {
      if (state === "closed") return;
      handle.close();
      release(handle);
    },
    [Symbol.dispose ?? Symbol()]() {
      room.leave();
    },
  } as Room<any>;

  const handle: Handle = {
    ...emitter,
    room,
    markJoined() {
      state = "joined";
      settle.resolve();
    },
    close(error) {
      if (state === "closed") return;
      state = "closed";
      settle.reject(error ?? new RoomcastError("closed", "the room was left"));
      if (error) emitter.emit("closed", error);
      for (const finish of readers) finish(error);
      emitter.clear();
    },
  };
  return handle;
}
