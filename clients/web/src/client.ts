/** The client: rooms, publications and questions of an application, over the driver. */

import { createDriver, type DriverEvent, type Options } from "./driver.js";
import { createEmitter, type Emitter } from "./emitter.js";
import { errorOfFailure, errorOfLoss, errorOfNotTaken, RoomcastError } from "./error.js";
import { createHandle, type Handle, type Host, type Room, type Who } from "./room.js";
import { newId } from "./random.js";
import { createRoster, type Roster } from "./roster.js";
import { byteLength } from "./rules/text.js";
import { DATA_BYTES, DATA_LEVELS, EPHEMERAL_DATA_BYTES, PAGE } from "./rules/times.js";
import type { Answer, NotTaken, Position, Present, Question, WhoReply } from "./rules/types.js";

declare global {
  // Copied from TypeScript's library `esnext.disposable`, which an application may not have.
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}

export interface State {
  readonly name: "connecting" | "online" | "offline" | "resting" | "ended";
  /** Offline: when the next attempt is made, milliseconds from the event. */
  readonly retryInMs: number | undefined;
  /** Offline and ended: why. */
  readonly error: RoomcastError | undefined;
}

export interface ClientEvents {
  state: State;
}

export interface Client {
  readonly state: State;
  on: Emitter<ClientEvents>["on"];
  /**
   * Joins a room, from now on or from a remembered position. Throws for a bad name, and beyond 100
   * rooms.
   */
  join<Data = unknown>(room: string, options?: { since?: Position | undefined }): Room<Data>;
  /** Ends the client. */
  close(): void;
  [Symbol.dispose](): void;
}

/**
 * A membership lasts this much longer than its last handle: StrictMode and route changes join again
 * at once.
 */
const LEAVE_MS = 2_000;
/** Pages of `who`: it lists rooms of up to 1,000 members. */
const WHO_PAGES = 10;

interface Membership {
  handles: Set<Handle>;
  roster: Roster;
  leaving: ReturnType<typeof setTimeout> | undefined;
}

type Settle<T> = { resolve(value: T): void; reject(error: unknown): void };

/** A promise that needs no handler: its rejection is never unhandled. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

function levels(value: unknown): number {
  return typeof value === "object" && value ? 1 + Math.max(0, ...Object.values(value).map(levels)) : 0;
}

/** The JSON of data that the server takes. */
function toJson(data: unknown, most: number): string {
  const json = JSON.stringify(data) as string | undefined;
  // `JSON.stringify` escapes a lone surrogate, and the server refuses it.
  if (!json || /(^|[^\\])(\\\\)*\\ud[89a-f]/.test(json) || levels(JSON.parse(json)) > DATA_LEVELS) {
    throw new RoomcastError("invalid_data", "the data is no valid JSON");
  }
  if (byteLength(json) > most) throw new RoomcastError("too_large", `the data is over ${most / 1024} KiB of JSON`);
  return json;
}

function checkId(id: string): void {
  if (!/^[!-"$-~]{1,64}$/.test(id)) throw new RoomcastError("invalid_id", "no valid id: " + id);
}

/**
 * Creates a client. It connects with the first `join`, so it may be created anywhere, on a server
 * too.
 */
export function connect(url: string | URL, options: Options = {}): Client {
  const events = createEmitter<ClientEvents>();
  const memberships = new Map<string, Membership>();
  const receipts = new Map<string, Settle<{ pid: string; repeated: boolean }>[]>();
  const tickets = new Map<number, Settle<any>>();
  /** Questions beyond those that the rules take at once. */
  const backlog: (() => void)[] = [];
  let state: State = { name: "connecting", retryInMs: undefined, error: undefined };
  let nextTicket = 1;
  const driver = createDriver(String(url), options, handle);

  function setState(name: State["name"], error?: RoomcastError, retryInMs?: number): void {
    state = { name, retryInMs, error };
    events.emit("state", state);
  }

  function each(room: string, action: (handle: Handle) => void): void {
    [...(memberships.get(room)?.handles ?? [])].forEach(action);
  }

  function endRoom(room: string, error?: RoomcastError): void {
    const membership = memberships.get(room);
    memberships.delete(room);
    clearTimeout(membership?.leaving);
    membership?.roster.stop();
    membership?.handles.forEach((handle) => handle.close(error));
  }

  function endAll(error: RoomcastError): void {
    for (const room of [...memberships.keys()]) endRoom(room, error);
    for (const settle of [...[...receipts.values()].flat(), ...tickets.values()]) settle.reject(error);
    receipts.clear();
    tickets.clear();
    backlog.splice(0).forEach((ask) => ask());
  }

  function settleReceipt(room: string, pid: string, action: (settle: Settle<any>) => void): void {
    const key = `${room} ${pid}`;
    receipts.get(key)?.forEach(action);
    receipts.delete(key);
  }

  /** The roster of a room whose presence has a handler. */
  function rosterOf(room: string): Roster | undefined {
    const membership = memberships.get(room);
    return membership && [...membership.handles].some((handle) => handle.has("presence")) ? membership.roster : undefined;
  }

  function handle(event: DriverEvent): void {
    switch (event.type) {
      case "connect":
        if (state.name !== "online") setState("connecting");
        return;
      case "online":
      case "resting":
        return setState(event.type);
      case "offline":
        return setState("offline", errorOfLoss(event.because, false), event.retryInMs);
      case "ended": {
        const error = errorOfLoss(event.because, true);
        setState("ended", error);
        return endAll(error);
      }
      case "presence":
        return rosterOf(event.room)?.change(event.members, event.users, event.came, event.went);
      case "left":
        return;
      case "removed":
        return endRoom(event.room, new RoomcastError(event.code, `removed from ${event.room}`));
      case "refused":
        return endRoom(event.room, errorOfFailure(event.failure));
      case "accepted": {
        const { room, pid, repeated } = event;
        return settleReceipt(room, pid, (settle) => settle.resolve({ pid, repeated }));
      }
      case "rejected": {
        const { room, pid } = event;
        const error = errorOfFailure(event.failure);
        settleReceipt(room, pid, (settle) => settle.reject(error));
        return each(room, (handle) => handle.emit("rejected", { pid, error }));
      }
      case "history":
      case "who": {
        const settle = tickets.get(event.ticket);
        tickets.delete(event.ticket);
        const answer: Answer<unknown> = event.answer;
        if (answer.page) settle?.resolve(answer.page);
        else settle?.reject(errorOfFailure(answer.failure));
        backlog.shift()?.();
        return;
      }
      default:
        each(event.room, (handle) => {
          if (event.type === "joined") handle.markJoined();
          handle.emit(event.type, event);
        });
        if (event.type === "joined" || event.type === "resumed") rosterOf(event.room)?.refresh();
    }
  }

  async function readWho(room: string): Promise<Who> {
    const users: Present[] = [];
    let after: string | undefined;
    for (let pages = WHO_PAGES; ; ) {
      const { members, users: some, next } = await ask<WhoReply>({ action: "who", room, after, limit: PAGE });
      users.push(...(some ?? []));
      if (next == null || !--pages) return { members, users: some ? users : undefined };
      after = next;
    }
  }

  function check(reason: NotTaken | undefined): void {
    if (reason) throw errorOfNotTaken(reason);
  }

  function ask<T>(question: Question): Promise<T> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        const ticket = nextTicket++;
        const reason = driver.call((rules) => rules.question(ticket, question));
        if (!reason) tickets.set(ticket, { resolve, reject });
        else if (reason === "too_many_questions") backlog.push(start);
        else reject(errorOfNotTaken(reason));
      };
      start();
    });
  }

  const host: Host = {
    position: (room) => driver.call((rules) => rules.position(room)),
    publish: (room, data, pid = newId()) =>
      handled(
        new Promise((resolve, reject) => {
          checkId(pid);
          const json = toJson(data, DATA_BYTES);
          check(driver.call((rules) => rules.publish(room, pid, json)));
          const key = `${room} ${pid}`;
          receipts.set(key, [...(receipts.get(key) ?? []), { resolve, reject }]);
        }),
      ),
    send(room, data, key) {
      if (key !== undefined) checkId(key);
      const json = toJson(data, EPHEMERAL_DATA_BYTES);
      check(driver.call((rules) => rules.send(room, key, json)));
    },
    history: (room, before, limit) => ask({ action: "history", room, before, limit }),
    who: (room) => handled(readWho(room)),
  };

  function join(room: string, { since }: { since?: Position | undefined } = {}): Room<any> {
    if (!/^(\*|[\w\-.:/@|+=~]{1,128})$/.test(room)) throw new RoomcastError("invalid_room", "no valid room: " + room);
    let membership = memberships.get(room);
    if (!membership) {
      check(driver.call((rules) => rules.join(room, since)));
      membership = {
        handles: new Set(),
        roster: createRoster(
          () => host.who(room),
          (presence) => each(room, (handle) => handle.emit("presence", presence)),
        ),
        leaving: undefined,
      };
      memberships.set(room, membership);
    }
    const { handles, roster } = membership;
    clearTimeout(membership.leaving);
    const created = createHandle(room, host, isJoined(room, since), release, roster.refresh);
    handles.add(created);
    return created.room;
  }

  function isJoined(room: string, since: Position | undefined): boolean {
    const other = [...memberships.get(room)!.handles][0];
    return other ? other.room.state === "joined" : !since && !!host.position(room);
  }

  function release(handle: Handle): void {
    const room = handle.room.name;
    const membership = memberships.get(room);
    if (!membership?.handles.delete(handle) || membership.handles.size) return;
    membership.leaving = setTimeout(() => {
      endRoom(room);
      driver.call((rules) => rules.leave(room));
    }, LEAVE_MS);
  }

  const client = {
    get state() {
      return state;
    },
    on: events.on,
    join,
    close() {
      if (state.name === "ended") return;
      driver.stop();
      const error = errorOfNotTaken("closed");
      setState("ended", error);
      endAll(error);
    },
    [Symbol.dispose ?? Symbol()]() {
      client.close();
    },
  } as Client;
  return client;
}
