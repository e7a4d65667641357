/**
 * Drives the rules: reports what happens on sockets, timers and the page, and carries out the
 * outputs.
 */

import { createClock } from "./clock.js";
import { lossOfToken } from "./error.js";
import { watchPage } from "./page.js";
import { newId } from "./random.js";
import { createRules, type Rules } from "./rules/rules.js";
import type { Event, Loss } from "./rules/types.js";
import { type Handshake, openSocket, type Socket, type SocketClass, type Transport } from "./socket.js";

/** The clock is compared at least this often, so that a sleep is noticed. */
const CHECK_MS = 10_000;
/** A timer that is later than this was throttled. */
const LATE_MS = 1_000;
/** A clock that is ahead by more than this was asleep. */
const SLEEP_MS = 30_000;
/** A page that becomes visible checks a connection that was silent for this long. */
const SILENT_MS = 10_000;
/** A hidden page rests after this time. */
const REST_MS = 60_000;

export type Token = string | null | undefined;

export interface Options {
  /**
   * A token, or a function that gets one; nothing for guests. It is never called twice at once.
   * Throw `Denied` to end.
   */
  token?: Token | (() => Token | Promise<Token>);
  /** The name of this device of the user; used with a token only. */
  device?: string;
  /**
   * The secret of a guest: 22 to 128 of A-Z a-z 0-9 - _, at least 128 random bits. Any client with
   * the secret is this guest. Without it, a page draws one and keeps it in `localStorage`;
   * elsewhere each client is another guest.
   */
  guest?: string;
  /** Rest while the page is hidden for longer than 60 s, or than this many milliseconds. */
  rest?: boolean | number;
  /** The class to open sockets with, where there is none built in: `ws` for Node 20. */
  WebSocket?: unknown;
  /** Another transport: `tabs()` of `roomcast/tabs`. */
  transport?: Transport;
}

export type DriverEvent = Event | { type: "connect" };

export interface Driver {
  /** Calls the rules, then carries out what they want. The first call opens the connection. */
  call<Result>(action: (rules: Rules) => Result): Result;
  stop(): void;
}

/** How long a JWT lasts from now, in milliseconds; `undefined` if that is unknown. */
function lastsMs(token: string): number | undefined {
  try {
    const claims = JSON.parse(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/")));
    return Math.floor(claims.exp * 1000 - Date.now()) || undefined;
  } catch {
    return undefined;
  }
}

/** The secret of this page's guest, drawn once. */
function guestSecret(): string {
  try {
    if (typeof document === "object") return (localStorage["roomcast:guest"] ||= newId());
  } catch {
    // The page may not store anything.
  }
  return newId();
}

export function createDriver(url: string, options: Options, handle: (event: DriverEvent) => void): Driver {
  const { token, rest, transport = openSocket } = options;
  const sockets = new Map<number, Socket>();
  let rules: Rules | undefined;
  let now: () => number = () => 0;
  let unwatch = (): void => {};
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerAt = Infinity;
  let flushing = false;
  let fetching: Promise<Token> | undefined;
  let heardAt = 0;
  let guest: string | undefined;

  /** One call of the option `token` at a time. */
  function getToken(): Promise<Token> {
    return (fetching ??= Promise.resolve()
      .then(() => (typeof token === "function" ? token() : token))
      .finally(() => (fetching = undefined)));
  }

  async function dial(): Promise<Handshake> {
    const jwt = await getToken();
    const [name, value] = jwt ? ["device", options.device] : ["guest", (guest ??= options.guest ?? guestSecret())];
    return {
      url: value ? `${url}${url.includes("?") ? "&" : "?"}${name}=${encodeURIComponent(value)}` : url,
      protocols: jwt ? ["rooms.v1", `token.${jwt}`] : ["rooms.v1"],
      lastsMs: jwt ? lastsMs(jwt) : undefined,
      WebSocket: (options.WebSocket ?? globalThis.WebSocket) as SocketClass | undefined,
    };
  }

  function connect(link: number): void {
    handle({ type: "connect" });
    const close = (because: Loss): void => {
      sockets.delete(link);
      call((rules) => rules.closed(link, because));
    };
    sockets.set(
      link,
      transport(dial, {
        open(lastsMs, ageMs) {
          call((rules) => {
            heardAt = now();
            rules.connected(link, ageMs);
            if (lastsMs !== undefined) rules.tokenLasts(link, lastsMs);
          });
        },
        message(text) {
          call((rules) => {
            heardAt = now();
            rules.received(link, text);
          });
        },
        close,
      }),
    );
  }

  function renew(link: number): void {
    getToken().then(
      (jwt) =>
        call((rules) => (jwt ? rules.renew(link, jwt, lastsMs(jwt)) : rules.notRenewed(link))),
      (error: unknown) =>
        call((rules) => {
          const because = lossOfToken(error);
          if (because.status) rules.end(because);
          else rules.notRenewed(link);
        }),
    );
  }

  /** Carries out the outputs. A handler may call the rules: what it adds comes after. */
  function flush(): void {
    if (!rules || flushing) return;
    flushing = true;
    for (let output; (output = rules.outputs.shift()); ) {
      switch (output.type) {
        case "connect":
          connect(output.link);
          break;
        case "send":
          sockets.get(output.link)?.send(output.text);
          break;
        case "renew":
          renew(output.link);
          break;
        case "close":
          sockets.get(output.link)?.close();
          sockets.delete(output.link);
          break;
        case "ended":
          release();
          handle(output);
          break;
        default:
          handle(output);
      }
    }
    flushing = false;
    setTimer();
  }

  function setTimer(): void {
    const due = rules?.dueAt();
    const time = now();
    const at = due === undefined ? Infinity : Math.min(due, time + CHECK_MS);
    // A timer that is early enough stays: a busy room does not set a timer for each message.
    if (timerAt <= at && timerAt > time) return;
    clearTimeout(timer);
    timerAt = at;
    if (at < Infinity) timer = setTimeout(wakeUp, Math.max(0, at - time));
  }

  function wakeUp(): void {
    const lateMs = now() - timerAt;
    timerAt = Infinity;
    call((rules) => {
      if (lateMs > SLEEP_MS) rules.wake();
      else if (lateMs > LATE_MS) rules.late();
      rules.tick();
    });
  }

  function call<Result>(action: (rules: Rules) => Result): Result {
    if (!rules) {
      now = createClock();
      const chance = (most: number): number => Math.floor(Math.random() * (most + 1));
      rules = createRules(chance, typeof token === "function", now());
      unwatch = watchPage(
        {
          rest: () => call((rules) => rules.rest()),
          wake: () =>
            call((rules) => {
              if (now() - heardAt > SILENT_MS || !sockets.size) rules.wake();
              rules.tick();
            }),
          setNetwork: (up) =>
            call((rules) => {
              rules.setNetwork(up);
              if (up) rules.wake();
              rules.tick();
            }),
        },
        rest ? (rest === true ? REST_MS : rest) : undefined,
      );
      call((rules) => rules.tick());
    }
    rules.setTime(now());
    const result = action(rules);
    flush();
    return result;
  }

  function release(): void {
    unwatch();
    clearTimeout(timer);
    timerAt = Infinity;
  }

  return {
    call,
    stop() {
      if (!rules) return;
      rules.stop();
      flush();
      release();
    },
  };
}
