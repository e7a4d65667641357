/**
 * The client rules of rooms.v1 (PROTOCOL.md), without I/O, clock or randomness: time and chance
 * come from the caller.
 *
 * The driver reports what happens (a connection opened, a frame came, the application joins a
 * room), then carries out the `outputs` in order, and calls `tick` at `dueAt`. The rules are those
 * of `clients/rust/src/rules`, and replay the same vectors and traces. For every room, even if
 * frames are lost, repeated, late or out of order:
 * - the application gets each publication at most once, in order;
 * - a gap is filled from the log, or reported as `missed`;
 * - a publication that was taken is sent until it is accepted or refused, under the same id.
 */

import { backoff } from "./chance.js";
import {
  type AnyBlock,
  BLOCK,
  BYE,
  entriesOf,
  EPHEMERAL,
  fits,
  type Frame,
  isFailure,
  isJoined,
  isPosition,
  JOINED_WORD,
  LEFT_WORD,
  PAGES,
  PRESENCE,
  readFrame,
} from "./frames.js";
import {
  type Asked,
  checkDueAt,
  extendDeadlines,
  type Link,
  markPinged,
  markSent,
  newLink,
  retire,
  settle,
} from "./link.js";
import { finish, type Item, type Outbox, push, refuse, send } from "./outbox.js";
import {
  interrupt,
  markAsked,
  newRoom,
  readBlock,
  readHead,
  readReply,
  type Room,
  roomJoined,
  syncDueAt,
} from "./room.js";
import { NO, SENT, type Tried } from "./tried.js";
import { jsonObject, sortedKeys, toText } from "./text.js";
import {
  GRACE_MS,
  LATE_TRIES,
  LATER_MS,
  OVERLAP_MS,
  QUESTION_TRIES,
  REFUSED_TOKENS,
  RENEW_APART_MS,
  RENEW_BEFORE_MS,
  ROOMS_PER_CONNECTION,
  ROTATE_RETRY_MS,
  UNANSWERED_PINGS,
  WAITING_QUESTIONS,
  WAKE_TIMEOUT_MS,
} from "./times.js";
import type { Answer, Chance, Event, Failure, Loss, NotTaken, Output, Position, Question } from "./types.js";

export type Rules = ReturnType<typeof createRules>;

/** A client that wants a connection now. `renews`: the application can get another token. */
export function createRules(chance: Chance, renews: boolean, now: number) {
  const outputs: Output[] = [];
  const rooms = new Map<string, Room>();
  const outbox: Outbox = new Map();
  /** Questions by their tickets. */
  const questions = new Map<number, Tried & { question: Question }>();
  /** Requests go to this connection. */
  let primary: Link | undefined;
  /** The connection before it, read until its successor is whole. */
  let retiring: Link | undefined;
  let opening: number | undefined;
  let openingSince = 0;
  let connectAt: number | undefined = now;
  /** Failed attempts in a row. */
  let attempts = 0;
  /** Refused tokens in a row. */
  let tokensRefused = 0;
  let online = false;
  let ended = false;
  /** True while the application rests: no connection is wanted. */
  let resting = false;
  /** True while the host has a network. */
  let network = true;
  let nextLink = 1;
  let nextRequest = 1;

  const emit = (output: Output): void => void outputs.push(output);

  // Requests

  /** Sends a request; its last field may be JSON already. */
  function ask(asked: Asked, action: string, fields: object, name?: string, json?: string): void {
    const id = nextRequest++;
    if (primary) {
      markSent(primary, id, asked, now);
      emit({ type: "send", link: primary.id, text: toText({ action, id, ...fields }, name, json) });
    }
  }

  /** Rooms in the order of their names. */
  const inOrder = (): Room[] => sortedKeys(rooms).map((name) => rooms.get(name)!);

  /** Asks to join rooms, or to catch up with them: all of them in one message. */
  function askRooms(rooms: Room[], sync: boolean): void {
    rooms.forEach(markAsked);
    const since = rooms.map(({ name, at }): [string, Position | undefined] => [name, at]);
    const asked: Asked = {
      shape: sync ? { rooms: {} } : {},
      done: (ok) => (sync || isJoined(ok)) && readRooms(since, new Map(sync ? entriesOf(ok.rooms) : [[since[0]![0], ok]])),
      refused(failure) {
        for (const [name] of since) refuseRoom(name, failure);
        checkSettled();
      },
      again: (afterMs) => askAgain(since.map(([name]) => name), afterMs),
    };
    if (sync) ask(asked, "sync", {}, "rooms", jsonObject(since));
    else ask(asked, "join", { room: since[0]![0], since: since[0]![1] });
  }

  function askToLeave(room: Room): void {
    room.ask = SENT;
    const leave = (): void => roomLeft(room.name);
    const again = (afterMs?: number | null): void => askAgain([room.name], afterMs);
    ask({ shape: {}, done: leave, refused: leave, again }, "leave", { room: room.name });
  }

  function askQuestion(ticket: number, entry: Tried & { question: Question }): void {
    entry.ask = SENT;
    const { action, ...fields } = entry.question;
    const answer = (answer: Answer<any>): void => {
      if (questions.delete(ticket)) emit({ type: action, ticket, answer });
    };
    const asked: Asked = {
      shape: PAGES[action],
      done: (page) => answer({ page }),
      refused: (failure) => answer({ failure }),
      again(afterMs) {
        if (entry.tries + 1 >= QUESTION_TRIES) answer({ failure: undefined });
        else if (questions.has(ticket)) retry(entry, afterMs);
      },
    };
    ask(asked, action, fields);
  }

  function askToPublish(room: string): void {
    const items = send(outbox, room);
    const asked: Asked = {
      shape: { accepted: ["string"] },
      done(ok) {
        for (const { pid } of finish(outbox, room, now)) {
          emit({ type: "accepted", room, pid, repeated: !!ok.repeated?.includes?.(pid) });
        }
      },
      refused(failure) {
        const oneOfThem = failure.code !== "forbidden" && failure.code !== "invalid_room";
        for (const { pid } of refuse(outbox, room, oneOfThem, now)) emit({ type: "rejected", room, pid, failure });
      },
      again(afterMs) {
        const line = outbox.get(room);
        if (line) retry(line, afterMs);
      },
    };
    const [{ pid, json }] = items as [Item];
    const list = items.map(({ pid, json }) => toText({ pid }, "data", json)).join();
    if (items.length > 1) ask(asked, "publish", { room }, "items", `[${list}]`);
    else ask(asked, "publish", { room, pid }, "data", json);
  }

  /** Pings the connection, and asks the server where the rooms stand. */
  function ping(timeoutMs?: number): void {
    if (!primary) return;
    const id = nextRequest++;
    const at = inOrder().flatMap((room): [string, Position][] => (room.wanted && room.at ? [[room.name, room.at]] : []));
    markPinged(primary, id, now, chance, timeoutMs);
    emit({ type: "send", link: primary.id, text: toText({ action: "ping", id }, "at", jsonObject(at)) });
  }

  /**
   * Rooms with publications to be sent. Those to a room that is being joined wait until it is
   * joined.
   */
  function publishing(): string[] {
    return sortedKeys(outbox).filter((name) => {
      const room = rooms.get(name);
      return outbox.get(name)!.ask > NO && (!room?.wanted || room.at);
    });
  }

  const isDue = ({ ask }: Tried): boolean => ask > NO && ask <= now;

  /** Sends the requests that are due; none without a connection. */
  function pump(): void {
    if (!primary) return;
    const due = inOrder().filter((room) => isDue(room) || syncDueAt(room) <= now);
    const wanted = due.filter((room) => room.wanted);
    if (wanted.length) askRooms(wanted, wanted.length > 1);
    for (const room of due) if (!room.wanted) askToLeave(room);
    for (const [ticket, entry] of questions) if (isDue(entry)) askQuestion(ticket, entry);
    for (const room of publishing()) if (isDue(outbox.get(room)!)) askToPublish(room);
  }

  /** The least pause is the server's; jitter comes on top. */
  function pause(tries: number, afterMs: number | null | undefined): number {
    return (afterMs ?? 0) + backoff(chance, tries);
  }

  /** Schedules the next request of several rooms for the same time. */
  function askAgain(names: string[], afterMs: number | null | undefined): void {
    const known = names.flatMap((name) => rooms.get(name) ?? []);
    const dueAt = now + pause(Math.max(0, ...known.map((room) => room.tries)), afterMs);
    for (const room of known) {
      if (room.ask === SENT) {
        room.tries++;
        room.ask = dueAt;
      }
    }
  }

  /** Asks again after a pause. */
  function retry(tried: Tried, afterMs: number | null | undefined): void {
    tried.ask = now + pause(tried.tries++, afterMs);
  }

  // Rooms

  /** Forgets a room. */
  function forget(name: string): void {
    if (rooms.delete(name)) emit({ type: "left", room: name });
  }

  /** Forgets a room that the server has ended; the application may have been leaving it anyway. */
  function dropRoom(name: string, event: Event): void {
    if (rooms.get(name)?.wanted) {
      rooms.delete(name);
      emit(event);
    } else forget(name);
  }

  function refuseRoom(name: string, failure: Failure): void {
    primary?.unsettled.delete(name);
    dropRoom(name, { type: "refused", room: name, failure });
  }

  /** The server has answered a leave. */
  function roomLeft(name: string): void {
    const room = rooms.get(name);
    // The application joined the room again while it was being left.
    if (room?.wanted) room.ask = now;
    else forget(name);
  }

  // Connections

  function open(): void {
    connectAt = undefined;
    opening = nextLink++;
    openingSince = now;
    emit({ type: "connect", link: opening });
  }

  /**
   * Repeats requests without an answer at once, and removes the rooms that were being left: without
   * a connection they are left.
   */
  function sendAgain(): void {
    for (const tried of [...outbox.values(), ...questions.values()]) if (tried.ask === SENT) tried.ask = now;
    for (const room of inOrder()) if (!room.wanted) forget(room.name);
  }

  /**
   * Syncs all rooms on a new connection, and repeats requests that had no answer on the one before.
   */
  function sayHello(): void {
    sendAgain();
    if (primary) primary.unsettled = new Set(rooms.keys());
    if (rooms.size) askRooms(inOrder(), true);
    checkSettled();
    pump();
  }

  /** If every room is whole on the new connection, the one before is closed soon. */
  function checkSettled(): void {
    if (primary && !primary.unsettled.size && retiring) retiring.closeAt ??= now + OVERLAP_MS;
  }

  /**
   * The connection is lost: the one before takes over if it is still there, otherwise another one
   * is opened.
   */
  function lose(because: Loss, leastMs: number): void {
    primary = undefined;
    if (retiring) {
      primary = { ...retiring, rotateAt: now + rotateRetry() };
      retiring = undefined;
      return sayHello();
    }
    rooms.forEach(interrupt);
    sendAgain();
    goOffline(because, leastMs);
  }

  /** Closes the connection from this side. */
  function dropPrimary(because: Loss, leastMs: number): void {
    if (primary) {
      emit({ type: "close", link: primary.id });
      lose(because, leastMs);
    }
  }

  function closeRetiring(): void {
    if (retiring) emit({ type: "close", link: retiring.id });
    retiring = undefined;
  }

  function closeAll(): void {
    for (const link of [primary?.id, retiring?.id, opening]) if (link !== undefined) emit({ type: "close", link });
    primary = retiring = opening = connectAt = undefined;
  }

  function stop(): void {
    rooms.clear();
    closeAll();
    ended = true;
  }

  function end(because: Loss): void {
    stop();
    emit({ type: "ended", because });
  }

  function goOffline(because: Loss, leastMs: number): void {
    online = false;
    let retryInMs = 0;
    if (opening === undefined) {
      retryInMs = leastMs + backoff(chance, attempts++);
      connectAt = now + retryInMs;
    }
    emit({ type: "offline", because, retryInMs });
  }

  function rotateRetry(): number {
    return ROTATE_RETRY_MS + chance(ROTATE_RETRY_MS);
  }

  function isRefusedForGood({ status }: Loss): boolean {
    return status === 403 || (status === 401 && (++tokensRefused >= REFUSED_TOKENS || !renews));
  }

  // Tokens

  function tokenLasts(link: number, lastsMs: number): void {
    const beforeMs = Math.min(Math.floor(lastsMs / 4), RENEW_BEFORE_MS);
    const jitterMs = chance(beforeMs);
    if (primary?.id === link && renews) {
      primary.renewAt = now + Math.max(lastsMs - beforeMs - jitterMs, RENEW_APART_MS);
    }
  }

  function renewLater(afterMs?: number | null): void {
    const at = now + pause(LATE_TRIES, afterMs);
    if (primary) primary.renewAt = at;
  }

  function renewed(left: string[], lastsMs: number | undefined): void {
    if (primary && lastsMs !== undefined) tokenLasts(primary.id, lastsMs);
    for (const room of left) dropRoom(room, { type: "removed", room, code: "forbidden" });
    if (primary?.renewalInDoubt) {
      primary.renewalInDoubt = false;
      // A renewal with an unknown outcome may have left rooms. A sync of all rooms finds them.
      for (const room of rooms.values()) if (room.wanted && room.ask !== SENT) room.ask = now;
    }
  }

  // Frames

  function readBlocks(blocks: AnyBlock[], isPrimary: boolean): void {
    attempts = 0;
    for (const block of blocks) {
      const room = rooms.get(block?.room);
      if (!room?.wanted) continue;
      if (fits(block, BLOCK)) readBlock(room, block, now, chance, emit);
      // The connection before gets the same message.
      else if (!isPrimary || !room.at) continue;
      else if (fits(block, EPHEMERAL)) {
        for (const { by, key, from, data } of block.e) emit({ type: "ephemeral", room: room.name, by, key, from, data });
      } else if (fits(block, PRESENCE)) {
        const { members, users, in: came = [], out: went = [] } = block.p;
        emit({ type: "presence", room: room.name, members, users: users ?? undefined, came, went });
      }
    }
  }

  function readBye(isPrimary: boolean, code: string, retry: string): void {
    const because = { code };
    if (!["now", "later", "never"].includes(retry)) return;
    // Another token helps, if there are others.
    if (retry === "never" && !(renews && (code === "expired" || code === "revoked"))) end(because);
    else if (isPrimary) dropPrimary(because, retry === "later" ? LATER_MS : 0);
    else closeRetiring();
  }

  /** Reads the answers of rooms that were asked for from a position. */
  function readRooms(asked: [string, Position | undefined][], answerOf: Map<string, unknown>): void {
    const again: string[] = [];
    const more: string[] = [];
    let advanced = false;
    let afterMs: number | undefined;
    for (const [name, since] of asked) {
      const answer = answerOf.get(name);
      const err = (answer as { err?: unknown } | undefined)?.err;
      if (isFailure(err)) {
        if (isAboutConnection(err)) {
          return dropPrimary({ code: err.code }, 0);
        }
        if (!err.retry) {
          refuseRoom(name, err);
          continue;
        }
        if (err.after_ms != null) afterMs = Math.max(afterMs ?? 0, err.after_ms);
      } else if (isJoined(answer)) {
        const room = rooms.get(name);
        if (!room) continue;
        if (!room.wanted) {
          // The application left the room during its join: now the server can be asked to leave.
          room.ask = now;
          continue;
        }
        const step = readReply(room, since, answer, now, chance, emit);
        if (step !== "stuck") advanced = true;
        if (step === "whole") primary?.unsettled.delete(name);
        else {
          room.ask = SENT;
          more.push(name);
        }
        continue;
      }
      again.push(name);
    }
    askAgain(again, afterMs);
    // The rest of replays is asked for at once, unless this reply brought nothing at all.
    if (!advanced) askAgain(more, undefined);
    else for (const name of more) rooms.get(name)!.ask = now;
    if (primary) settle(primary, now);
    checkSettled();
  }

  /**
   * A ping was answered: requests whose answers are overdue were lost. Before, the server may just
   * be slow, and repeating them would make it slower.
   */
  function pinged(link: Link): void {
    link.ping = undefined;
    link.unanswered = 0;
    for (const [request, asked] of link.pending) {
      if (asked.at <= now && link.pending.delete(request)) asked.again();
    }
  }

  function readAnswer({ id, ok, err: error }: Frame): void {
    const err = isFailure(error) ? error : undefined;
    if (err && isAboutConnection(err)) return dropPrimary({ code: err.code }, 0);
    attempts = 0;
    if (id == null || !primary) return;
    const asked = primary.pending.get(id);
    primary.pending.delete(id);
    if (!asked) {
      if (err) {
        const at = now + pause(LATE_TRIES, err.after_ms);
        if (primary.ping?.request === id) {
          primary.keepAliveAt = Math.min(primary.keepAliveAt, at);
          pinged(primary);
        }
      }
    } else if (err) {
      if (err.retry) asked.again(err.after_ms);
      else asked.refused(err);
    } else if (!fits(ok, asked.shape) || asked.done(ok) === false) asked.again();
  }

  function read(frame: Frame, isPrimary: boolean): void {
    const { ok, err, sys, b, room: name, code } = frame;
    if (ok != null || err != null) {
      // The answer is from the connection before: its successor has repeated the request.
      if (isPrimary && (ok != null || isFailure(err))) readAnswer(frame);
    } else if (sys === "pong") {
      if (!isPrimary) return;
      attempts = 0;
      pinged(primary!);
      for (const [name, head] of entriesOf(frame.behind)) {
        const room = rooms.get(name);
        if (room?.wanted && room.at && isPosition(head)) readHead(room, head, now);
      }
    } else if (sys === "bye") {
      if (fits(frame, BYE)) readBye(isPrimary, code, frame.retry);
    } else if (sys === "left") {
      if (fits(frame, LEFT_WORD)) dropRoom(name, { type: "removed", room: name, code });
    } else if (sys === "joined") {
      if (!fits(frame, JOINED_WORD) || rooms.has(name) || rooms.size >= ROOMS_PER_CONNECTION) return;
      const { ep, seq } = frame as unknown as Position;
      const room = roomJoined(name, { ep, seq }, now);
      if (!isPrimary) {
        // The connection before has the membership: its successor joins at once, and the former
        // stays open until then.
        room.ask = now;
        primary?.unsettled.add(name);
        if (retiring) retiring.closeAt = undefined;
      }
      rooms.set(name, room);
      emit({ type: "joined", room: name, position: room.at!, members: undefined });
    } else if (Array.isArray(b)) readBlocks(b, isPrimary);
  }

  /** Handles the timers of the connection. */
  function tend(): void {
    if (!primary) return;
    if (checkDueAt(primary) <= now) {
      // While other frames come, the server is only slow.
      if (primary.ping && (!primary.heard || primary.unanswered >= UNANSWERED_PINGS)) {
        return dropPrimary({ code: "no_answer" }, 0);
      }
      ping();
    }
    if (primary.renewAt !== undefined && primary.renewAt <= now) {
      primary.renewAt = undefined;
      emit({ type: "renew", link: primary.id });
    }
    if (primary.rotateAt <= now && opening === undefined) open();
  }

  return {
    /**
     * The outputs to carry out next, in order. The driver removes those that it has carried out.
     */
    outputs,

    /** Sets the time; every call before the next one happens then. Time never runs backwards. */
    setTime(time: number): void {
      now = time;
    },

    /** Everything of the room through this position was delivered. */
    position: (room: string): Position | undefined => rooms.get(room)?.at,

    /** When `tick` is to be called at the latest; nothing if nothing is due. */
    dueAt(): number | undefined {
      if (ended) return undefined;
      let due = (network ? connectAt : undefined) ?? Infinity;
      const at = (time: number | undefined): void => void (due = Math.min(due, time ?? Infinity));
      at(retiring?.closeAt);
      if (primary) {
        at(checkDueAt(primary));
        at(primary.renewAt);
        if (opening === undefined) at(primary.rotateAt);
        for (const room of rooms.values()) {
          if (room.ask > NO) at(room.ask);
          at(syncDueAt(room));
        }
        for (const { ask } of questions.values()) if (ask > NO) at(ask);
        for (const room of publishing()) at(outbox.get(room)!.ask);
      }
      return due === Infinity ? undefined : due;
    },

    /** Handles all timers that are due. */
    tick(): void {
      if (ended) return;
      if (network && connectAt !== undefined && connectAt <= now) open();
      if ((retiring?.closeAt ?? Infinity) <= now) closeRetiring();
      tend();
      pump();
    },

    /**
     * Joins a room: from now on, or from a remembered position. A room that is joined already stays
     * as it is.
     */
    join(name: string, since: Position | undefined): NotTaken | undefined {
      if (ended) return "closed";
      const known = rooms.get(name);
      if (known?.wanted) return undefined;
      if (!known && rooms.size >= ROOMS_PER_CONNECTION) return "too_many_rooms";
      const room = newRoom(name, since, now);
      // Two requests may overtake each other: the room is asked for when the one in flight is
      // answered.
      if (known?.ask === SENT) room.ask = SENT;
      forget(name);
      rooms.set(name, room);
      pump();
      return undefined;
    },

    /**
     * Leaves a room. Nothing of it is reported from now on; `left` follows when the server agrees.
     */
    leave(name: string): void {
      const room = rooms.get(name);
      if (!room?.wanted) return;
      room.wanted = false;
      if (room.ask !== SENT) room.ask = now;
      if (!primary) forget(name);
      pump();
    },

    /**
     * Publishes JSON. `accepted` or `rejected` follows; publications of one room keep their order.
     */
    publish(room: string, pid: string, json: string): NotTaken | undefined {
      if (ended) return "closed";
      if (!push(outbox, room, pid, json, now)) return "queue_full";
      pump();
      return undefined;
    },

    /**
     * Sends JSON to the members that are there now; best effort. Without a connection it is lost.
     */
    send(room: string, key: string | undefined, json: string): NotTaken | undefined {
      if (ended) return "closed";
      const fields = { action: "publish", room, ephemeral: true, echo: false, key };
      if (primary) emit({ type: "send", link: primary.id, text: toText(fields, "data", json) });
      return undefined;
    },

    /** Asks for history or users. An event with the ticket follows. */
    question(ticket: number, question: Question): NotTaken | undefined {
      if (ended) return "closed";
      if (questions.size >= WAITING_QUESTIONS) return "too_many_questions";
      questions.set(ticket, { question, ask: now, tries: 0 });
      pump();
      return undefined;
    },

    /** Ends: closes every connection, and does nothing more. */
    stop,

    /** A connection is open. `ageMs`: how long it has been open for others. */
    connected(link: number, ageMs = 0): void {
      if (opening !== link) return emit({ type: "close", link });
      opening = undefined;
      tokensRefused = 0;
      const replaced = primary;
      primary = newLink(link, now, ageMs, chance);
      if (replaced) {
        closeRetiring();
        retiring = retire(replaced);
      }
      if (!online) {
        online = true;
        emit({ type: "online" });
      }
      sayHello();
    },

    /** A connection was lost, or did not open. */
    closed(link: number, because: Loss): void {
      if (opening === link) {
        opening = undefined;
        if (primary) primary.rotateAt = now + rotateRetry();
        else if (isRefusedForGood(because)) end(because);
        else goOffline(because, because.status === 401 ? RENEW_APART_MS : 0);
      } else if (retiring?.id === link) retiring = undefined;
      else if (primary?.id === link) lose(because, 0);
    },

    /** A text message came. */
    received(link: number, text: string): void {
      const isPrimary = primary?.id === link;
      if (!isPrimary && retiring?.id !== link) return;
      if (isPrimary) primary!.heard = true;
      const frame = readFrame(text);
      if (frame) read(frame, isPrimary);
      pump();
    },

    /** The token of a connection lasts this much longer. */
    tokenLasts,

    /** A token that `renew` asked for, and how long it lasts. */
    renew(link: number, token: string, lastsMs: number | undefined): void {
      if (primary?.id !== link) return;
      const asked: Asked = {
        shape: { left: ["string"] },
        done: (ok) => renewed(ok.left, lastsMs),
        refused: () => renewLater(),
        again(afterMs) {
          if (primary) primary.renewalInDoubt = true;
          renewLater(afterMs);
        },
      };
      ask(asked, "auth", { token });
    },

    /** No token could be had now. */
    notRenewed(link: number): void {
      if (primary?.id === link) renewLater();
    },

    /** Ends because the application, or its token, is not allowed to connect. */
    end,

    // Sleep, network and page

    /** Rests: closes every connection, and keeps rooms, positions and publications. */
    rest(): void {
      if (ended || resting) return;
      resting = true;
      online = false;
      closeAll();
      rooms.forEach(interrupt);
      sendAgain();
      emit({ type: "resting" });
    },

    /**
     * Wakes up: connects at once, or pings the connection with a short deadline. An old handshake
     * is given up.
     */
    wake(): void {
      if (ended) return;
      if (primary) {
        extendDeadlines(primary, now + WAKE_TIMEOUT_MS, true);
        ping(WAKE_TIMEOUT_MS);
      } else if (opening === undefined || now - openingSince > WAKE_TIMEOUT_MS) {
        closeAll();
        attempts = 0;
        connectAt = now;
      }
      resting = false;
    },

    /** The process was late: frames may be queued, so each deadline is extended once. */
    late(): void {
      if (primary) extendDeadlines(primary, now + GRACE_MS);
    },

    /** The host has a network, or not: without one no attempt is made. A connection stays. */
    setNetwork(up: boolean): void {
      network = up;
    },
  };
}

/**
 * Returns whether a refusal is about the connection, not the request: a new connection, with a new
 * token, helps.
 */
function isAboutConnection({ code }: Failure): boolean {
  return code === "not_connected" || code === "token_expired";
}
