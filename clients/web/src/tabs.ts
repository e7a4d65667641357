/**
 * One connection for all tabs of an origin. Each tab runs its own rules over a link; the leader's
 * tab carries the links over one socket. Each tab has its own positions, so a new leader costs each
 * tab one `sync`.
 *
 * The leader holds a Web Lock. A page that is hidden in the back/forward cache, or frozen, gives
 * the lock up. A tab that is visible probes the leader, and steals the lock from a leader that does
 * not answer.
 */

import type { Handshake, Socket, SocketEvents, Transport } from "./socket.js";
import { openSocket } from "./socket.js";
import type { Loss } from "./rules/types.js";

/** A visible tab probes the leader this often. */
const PROBE_MS = 1_000;
/** A leader that has not answered this many probes is replaced. */
const UNANSWERED = 3;
/** A tab without a link for this long takes no part any more. */
const IDLE_MS = 5_000;
/**
 * The leader drops a link without a frame for this long: its tab has crashed. A link pings every 4
 * min.
 */
const STALE_MS = 12 * 60_000;
/**
 * New links get a new socket when the newest one is this old: links are replaced 105 to 115 min
 * after their start.
 */
const OLD_MS = 100 * 60_000;

const LOST: Loss = { code: "connection_lost", detail: "another tab leads" };

/** The messages between tabs. `link` names a link of one tab. */
type Note =
  | { type: "open" | "close"; link: string }
  | { type: "send"; link: string; text: string }
  | { type: "opened"; link: string; ageMs: number }
  | { type: "text"; links: string[]; text: string }
  | { type: "closed"; link: string; because: Loss }
  | { type: "probe" | "alive" | "leader" };

/** A link of this tab. */
interface Link {
  events: SocketEvents;
  isOpen: boolean;
}

/** A socket of the leader, and the links that it carries. */
interface Carrier {
  socket: Socket;
  openedAt: number | undefined;
  /** When each link sent its last frame. */
  links: Map<string, number>;
  /** Links that are in each room. */
  rooms: Map<string, Set<string>>;
  /** Requests on their way, by their id on the socket. */
  requests: Map<number, { link: string | undefined; id: unknown; leaves: string | undefined }>;
  /** Frames that wait until a leave of their room is answered. */
  leaving: Map<string, [string, string][]>;
  /** Pings: a pong names no request, so one is on its way at a time. */
  pings: { link: string; id: number; text: string }[];
}

export function tabs({ name = "roomcast" }: { name?: string } = {}): Transport {
  const canShare = typeof BroadcastChannel === "function" && typeof navigator === "object" && "locks" in navigator;
  if (!canShare) return openSocket;
  const me = Math.random().toString(36).slice(2);
  const lock = `roomcast:${name}`;
  const links = new Map<string, Link>();
  let channel: BroadcastChannel | undefined;
  let dial: () => Promise<Handshake>;
  let nextLink = 1;
  let unanswered = 0;
  let prober: ReturnType<typeof setInterval> | undefined;
  let waiting: AbortController | undefined;
  /** Leader only. */
  let resign: (() => void) | undefined;
  let carriers: Carrier[] = [];
  let nextRequest = 1;

  /** Sends a note to the other tabs, and to this one. */
  function post(note: Note): void {
    channel?.postMessage(note);
    read(note);
  }

  function read(note: Note): void {
    switch (note.type) {
      case "open":
        if (resign) openLink(note.link);
        return;
      case "close":
        if (resign) closeLink(note.link);
        return;
      case "send": {
        const carrier = carriers.find(({ links }) => links.has(note.link));
        if (!carrier) return;
        carrier.links.set(note.link, Date.now());
        return carry(carrier, note.link, note.text);
      }
      case "opened": {
        const link = links.get(note.link);
        if (!link || link.isOpen) return;
        link.isOpen = true;
        return link.events.open(undefined, note.ageMs);
      }
      case "text":
        for (const link of note.links) links.get(link)?.events.message(note.text);
        return;
      case "closed":
        return loseLink(note.link, note.because);
      case "probe":
        if (resign) channel?.postMessage({ type: "alive" } satisfies Note);
        return;
      case "alive":
        unanswered = 0;
        return;
      case "leader":
        unanswered = 0;
        for (const [link, { isOpen }] of [...links]) {
          if (isOpen) loseLink(link, LOST);
          else post({ type: "open", link });
        }
    }
  }

  function loseLink(name: string, because: Loss): void {
    const link = links.get(name);
    links.delete(name);
    link?.events.close(because);
  }

  // The leader

  function openLink(link: string): void {
    const newest = carriers[carriers.length - 1];
    const isFresh = newest && Date.now() - (newest.openedAt ?? Date.now()) < OLD_MS;
    const carrier = isFresh ? newest : newCarrier();
    carrier.links.set(link, Date.now());
    if (carrier.openedAt !== undefined) post({ type: "opened", link, ageMs: Date.now() - carrier.openedAt });
  }

  function newCarrier(): Carrier {
    const carrier: Carrier = {
      openedAt: undefined,
      links: new Map(),
      rooms: new Map(),
      requests: new Map(),
      leaving: new Map(),
      pings: [],
      socket: openSocket(dial, {
        open(lastsMs) {
          carrier.openedAt = Date.now();
          for (const link of carrier.links.keys()) {
            const own = links.get(link);
            // The token is this tab's, so this tab renews it.
            if (own) {
              own.isOpen = true;
              own.events.open(lastsMs);
            } else post({ type: "opened", link, ageMs: 0 });
          }
        },
        message: (text) => deliver(carrier, text),
        close(because) {
          carriers = carriers.filter((other) => other !== carrier);
          for (const link of carrier.links.keys()) post({ type: "closed", link, because });
        },
      }),
    };
    carriers.push(carrier);
    return carrier;
  }

  /** Carries a frame of a link. */
  function carry(carrier: Carrier, link: string, text: string): void {
    const frame = JSON.parse(text);
    const { action, id, room, rooms } = frame;
    const joins: string[] = action === "sync" ? Object.keys(rooms) : action === "join" ? [room] : [];
    const blocked = joins.find((name) => carrier.leaving.has(name));
    if (blocked !== undefined) {
      carrier.leaving.get(blocked)!.push([link, text]);
      return;
    }
    for (const name of joins) {
      if (!carrier.rooms.has(name)) carrier.rooms.set(name, new Set());
      carrier.rooms.get(name)!.add(link);
    }
    if (action === "leave") {
      const isLast = leaveRoom(carrier, link, room, id);
      if (!isLast) answer(link, id, { ok: { room } });
    } else if (action === "ping") {
      carrier.pings.push({ link, id, text });
      if (carrier.pings.length === 1) sendPing(carrier);
    } else if (id === undefined) carrier.socket.send(text);
    else request(carrier, link, frame);
  }

  function request(carrier: Carrier, link: string | undefined, frame: { id?: unknown; action: string; room?: string }): void {
    const id = nextRequest++;
    carrier.requests.set(id, { link, id: frame.id, leaves: frame.action === "leave" ? frame.room : undefined });
    carrier.socket.send(JSON.stringify({ ...frame, id }));
  }

  /** Takes a link out of a room; the last link leaves it on the server. */
  function leaveRoom(carrier: Carrier, link: string, room: string, id?: unknown): boolean {
    const members = carrier.rooms.get(room);
    members?.delete(link);
    if (members?.size) return false;
    carrier.rooms.delete(room);
    if (!carrier.leaving.has(room)) carrier.leaving.set(room, []);
    request(carrier, id === undefined ? undefined : link, { action: "leave", id, room });
    return true;
  }

  function sendPing({ pings, requests, socket }: Carrier): void {
    const ping = pings[0];
    if (!ping) return;
    const id = nextRequest++;
    requests.set(id, { link: ping.link, id: ping.id, leaves: undefined });
    socket.send(JSON.stringify({ ...JSON.parse(ping.text), id }));
  }

  function answer(link: string, id: unknown, outcome: object): void {
    post({ type: "text", links: [link], text: JSON.stringify({ id, ...outcome }) });
  }

  /** Delivers a frame to its links. */
  function deliver(carrier: Carrier, text: string): void {
    const { pings, requests, leaving } = carrier;
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    const asked = requests.get(frame?.id);
    if (asked) {
      requests.delete(frame.id);
      if (pings[0]?.link === asked.link && pings[0]?.id === asked.id) {
        pings.shift();
        sendPing(carrier);
      }
      if (asked.leaves !== undefined) {
        const held = leaving.get(asked.leaves) ?? [];
        leaving.delete(asked.leaves);
        for (const [link, text] of held) carry(carrier, link, text);
      }
      if (asked.link !== undefined) answer(asked.link, asked.id, { ok: frame.ok, err: frame.err });
    } else if (frame?.sys === "pong") {
      const ping = pings.shift();
      if (ping) post({ type: "text", links: [ping.link], text });
      sendPing(carrier);
    } else post({ type: "text", links: [...carrier.links.keys()], text });
  }

  function closeLink(link: string): void {
    for (const carrier of carriers.filter(({ links }) => links.delete(link))) {
      const wasPinging = carrier.pings[0]?.link === link;
      carrier.pings = carrier.pings.filter((ping) => ping.link !== link);
      if (!carrier.links.size) {
        carrier.socket.close();
        carriers = carriers.filter((other) => other !== carrier);
        continue;
      }
      if (wasPinging) sendPing(carrier);
      for (const [room, members] of [...carrier.rooms]) if (members.has(link)) leaveRoom(carrier, link, room);
    }
  }

  // Leading

  /** Waits for the lock, or steals it. */
  function stand(steal: boolean): void {
    waiting?.abort();
    const stop = new AbortController();
    waiting = stop;
    const lead = (): Promise<void> =>
      new Promise((resolve) => {
        resign = resolve;
        carriers = [];
        channel?.postMessage({ type: "leader" } satisfies Note);
        read({ type: "leader" });
      });
    navigator.locks
      .request(lock, steal ? { steal } : { signal: stop.signal }, lead)
      // The lock was stolen, or this tab does not want it any more.
      .catch(() => {})
      .finally(() => {
        if (waiting !== stop) return;
        stepDown();
        // Another tab has stolen the lock: this tab waits for it again.
        if (channel) stand(false);
      });
  }

  /** Stops leading: the next leader ends the links of other tabs. */
  function stepDown(): void {
    resign?.();
    resign = undefined;
    for (const { socket } of carriers.splice(0)) socket.close();
    for (const [link, { isOpen }] of [...links]) if (isOpen) loseLink(link, LOST);
  }

  /** Checks the leader; the leader checks its links. */
  function probe(): void {
    if (resign) {
      for (const { links } of carriers) {
        for (const [link, seenAt] of [...links]) if (Date.now() - seenAt > STALE_MS) closeLink(link);
      }
    } else if (links.size && (typeof document !== "object" || document.visibilityState === "visible")) {
      if (unanswered++ < UNANSWERED) return channel?.postMessage({ type: "probe" } satisfies Note);
      unanswered = 0;
      stand(true);
    } else unanswered = 0;
  }

  function start(): void {
    channel = new BroadcastChannel(lock);
    channel.onmessage = ({ data }) => read(data as Note);
    unanswered = 0;
    prober = setInterval(probe, PROBE_MS);
    stand(false);
  }

  /** A page in the back/forward cache may hold neither a lock nor a channel. */
  function stop(): void {
    const stood = waiting;
    waiting = undefined;
    for (const link of links.keys()) channel?.postMessage({ type: "close", link } satisfies Note);
    stepDown();
    stood?.abort();
    clearInterval(prober);
    channel?.close();
    channel = undefined;
  }
  if (typeof document === "object") {
    document.addEventListener("freeze", stop);
    addEventListener("pagehide", stop);
  }

  return (dialSocket, events) => {
    dial = dialSocket;
    const link = `${me}:${nextLink++}`;
    links.set(link, { events, isOpen: false });
    if (!channel) start();
    setTimeout(() => {
      if (links.has(link)) post({ type: "open", link });
    });
    return {
      send: (text) => post({ type: "send", link, text }),
      close() {
        if (!links.delete(link)) return;
        post({ type: "close", link });
        setTimeout(() => {
          if (!links.size && channel) stop();
        }, IDLE_MS);
      },
    };
  };
}
