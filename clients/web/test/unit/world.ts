/** A server small enough to be right, and sockets to it. Time is the test's (`node:test` mock timers). */

import { mock } from "node:test";

type Json = any;

export class FakeServer {
  logs = new Map<string, { ep: string; rows: { id: string; by: string; at: number; data: unknown }[] }>();
  sockets: FakeSocket[] = [];
  /** Requests, in the order of their arrival. */
  requests: Json[] = [];
  /** Handshakes that are refused. */
  refuse = false;
  /** Answers that are withheld. */
  silent = false;
  private seen = new Set<string>();

  log(room: string) {
    if (!this.logs.has(room)) this.logs.set(room, { ep: `e${this.logs.size}`, rows: [] });
    return this.logs.get(room)!;
  }

  publish(room: string, id: string, data: unknown, by = "bob"): boolean {
    if (this.seen.has(`${room} ${id}`)) return false;
    this.seen.add(`${room} ${id}`);
    const { ep, rows } = this.log(room);
    rows.push({ id, by, at: 1, data });
    const frame = { b: [{ room, ep, seq: rows.length, m: [rows[rows.length - 1]] }] };
    for (const socket of this.sockets) if (socket.rooms.has(room)) socket.deliver(frame);
    return true;
  }

  join(socket: FakeSocket, room: string, since: Json): Json {
    socket.rooms.add(room);
    const { ep, rows } = this.log(room);
    const joined = { room, ep, seq: rows.length, members: this.sockets.length };
    if (!since) return joined;
    const recovered = since.ep === ep && since.seq <= rows.length && rows.length - since.seq <= 1_000;
    const missed = rows.slice(since.seq);
    return { ...joined, recovered, b: recovered && missed.length ? [{ room, ep, seq: since.seq + 1, m: missed }] : [] };
  }

  serve(socket: FakeSocket, request: Json): void {
    this.requests.push(request);
    if (this.silent) return;
    const { action, id, room } = request;
    const ok = (ok: Json): void => socket.deliver({ id, ok });
    switch (action) {
      case "sync":
        return ok({
          rooms: Object.fromEntries(
            Object.entries(request.rooms).map(([name, since]) => [name, this.join(socket, name, since)]),
          ),
        });
      case "join":
        return ok(this.join(socket, room, request.since));
      case "leave":
        socket.rooms.delete(room);
        return ok({ room });
      case "publish": {
        if (request.ephemeral) return;
        const items = request["items"] ?? [request];
        if (room === "forbidden") {
          return socket.deliver({ id, err: { code: "forbidden", retry: false, message: "no" } });
        }
        ok({ accepted: items.map((item: Json) => item.pid) });
        for (const item of items) this.publish(room, item.pid, item.data, "me");
        return;
      }
      case "history": {
        const { ep, rows } = this.log(room);
        const end = Math.min((request.before ?? Infinity) - 1, rows.length);
        const from = Math.max(0, end - Math.min(request.limit, 40));
        const history = end > from ? [{ room, ep, seq: from + 1, m: rows.slice(from, end) }] : [];
        return ok({ room, ep, seq: rows.length, ...(from > 0 && { before: from + 1 }), history });
      }
      case "who":
        return ok({ room, members: 2, users: [{ user: "ada", since: 1, connections: 1 }, { user: "bob", since: 1, connections: 1 }] });
      case "auth":
        return ok({ expires_at: 1, left: [] });
      case "ping": {
        const behind = Object.entries<Json>(request.at).filter(([name, at]) => this.log(name).rows.length > at.seq);
        return socket.deliver({
          sys: "pong",
          behind: Object.fromEntries(
            behind.map(([name]) => [name, { ep: this.log(name).ep, seq: this.log(name).rows.length }]),
          ),
        });
      }
    }
  }

  /** Sockets that are open. */
  get open(): FakeSocket[] {
    return this.sockets.filter((socket) => socket.state === "open");
  }

  /** A class for the option `WebSocket`. */
  get WebSocket(): unknown {
    const server = this;
    return class extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(server, url, protocols);
      }
    };
  }

  actions(): string[] {
    return this.requests.map(({ action }) => action);
  }
}

export class FakeSocket {
  onopen: ((event: Json) => void) | null = null;
  onmessage: ((event: Json) => void) | null = null;
  onerror: ((event: Json) => void) | null = null;
  onclose: ((event: Json) => void) | null = null;
  state: "connecting" | "open" | "closed" = "connecting";
  rooms = new Set<string>();
  closeCode: number | undefined;

  constructor(
    readonly server: FakeServer,
    readonly url: string,
    readonly protocols: string[],
  ) {
    server.sockets.push(this);
    setTimeout(() => {
      if (this.state !== "connecting") return;
      if (server.refuse) return this.end(1006);
      this.state = "open";
      this.onopen?.({});
    }, 10);
  }

  send(text: string): void {
    if (this.state !== "open") throw new Error("not open");
    setTimeout(() => this.state === "open" && this.server.serve(this, JSON.parse(text)), 5);
  }

  deliver(frame: Json): void {
    setTimeout(() => this.state === "open" && this.onmessage?.({ data: JSON.stringify(frame) }), 5);
  }

  /** Closed by the client. */
  close(code?: number): void {
    this.closeCode = code;
    this.state = "closed";
    this.rooms.clear();
  }

  /** Closed by the network. */
  end(code = 1001): void {
    this.state = "closed";
    this.rooms.clear();
    this.onerror?.({});
    this.onclose?.({ code });
  }
}

export function useFakeTime(): void {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000 });
  mock.method(performance, "now", () => Date.now());
}

/** Lets time pass in small steps, so that promises settle between timers. */
export async function pass(ms: number, stepMs = 5): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    mock.timers["tick"](Math.min(stepMs, ms - passed));
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  }
}

/** Lets time pass without timers: the machine sleeps. */
export async function sleep(ms: number): Promise<void> {
  mock.timers["setTime"](Date.now() + ms);
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}
