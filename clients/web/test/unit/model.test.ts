/**
 * The rules against a small server, over a network that loses, repeats, delays and cuts. fast-check draws the commands and
 * the faults, and shrinks a failure to its shortest run.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRules, type Rules } from "../../src/rules/rules.js";
import type { Event, Position } from "../../src/rules/types.js";
import { chanceFrom } from "./bench.js";

type Json = any;

const ROOMS = ["lobby", "team:7", "@ada"];
/** Publications that one reply replays. */
const REPLAYED = 3;
/** A resume from further back is lost. */
const RESUMABLE = 60;
const TOKEN_MS = 300_000;

interface Faults {
  lost: number;
  twice: number;
  delayMs: number;
  unanswered: number;
  unserved: number;
  unopened: number;
  lagMs: number;
}

type Command =
  | { do: "join" | "leave" | "publish" | "history" | "restart" | "expire"; room: number }
  | { do: "others"; room: number; count: number }
  | { do: "cut" | "freeze" | "forget" | "rest" | "offline" }
  | { do: "pass" | "sleep"; ms: number };

class World {
  rules: Rules;
  now = 0;
  agenda: { at: number; n: number; run: () => void }[] = [];
  count = 0;
  logs = new Map<string, { ep: string; rows: Json[]; expired: number }>();
  epochs = new Map<string, Json[]>();
  seen = new Set<string>();
  members = new Map<number, Map<string, number>>();
  open = new Set<number>();
  frozen = new Set<number>();
  forgotten = new Set<number>();
  events: Event[] = [];
  published: string[] = [];
  accepted: string[] = [];
  wanted = new Set<string>();
  history = 0;
  answered = 0;
  random: (most: number) => number;

  constructor(
    seed: number,
    public faults: Faults,
  ) {
    this.rules = createRules(chanceFrom(seed), true, 0);
    this.random = chanceFrom(seed ^ 0x5eed);
  }

  chance(percent: number): boolean {
    return this.random(99) < percent;
  }

  later(ms: number, run: () => void): void {
    this.agenda.push({ at: this.now + ms, n: this.count++, run });
  }

  log(room: string) {
    if (!this.logs.has(room)) this.restart(room);
    return this.logs.get(room)!;
  }

  /** The room's history begins again. */
  restart(room: string): void {
    const ep = `e${this.count++}`;
    const rows: Json[] = [];
    this.epochs.set(ep, rows);
    this.logs.set(room, { ep, rows, expired: 0 });
  }

  head(room: string): Position {
    const { ep, rows } = this.log(room);
    return { ep, seq: rows.length };
  }

  publish(room: string, id: string): void {
    if (this.seen.has(`${room} ${id}`)) return;
    this.seen.add(`${room} ${id}`);
    const { ep, rows } = this.log(room);
    rows.push({ id, by: "bob", at: this.now, data: id });
    const frame = { b: [{ room, ep, seq: rows.length, m: [rows[rows.length - 1]] }] };
    for (const [link, rooms] of this.members) {
      if (!rooms.has(room) || rooms.get(room)! + this.faults.lagMs > this.now) continue;
      for (let n = this.chance(this.faults.twice) ? 2 : 1; n > 0; n--) {
        if (!this.chance(this.faults.lost)) this.later(20 + this.random(this.faults.delayMs), () => this.receive(link, frame));
      }
    }
  }

  join(link: number, room: string, since: Position | null | undefined, budget: { left: number }): Json {
    if (!this.members.has(link)) this.members.set(link, new Map());
    const rooms = this.members.get(link)!;
    if (!rooms.has(room)) rooms.set(room, this.now);
    const head = this.head(room);
    const joined: Json = { room, ...head };
    if (!since) return joined;
    const { rows, expired } = this.log(room);
    const missed = head.seq - since.seq;
    joined.recovered =
      since.ep === head.ep && missed >= 0 && missed <= RESUMABLE && (missed === 0 || since.seq >= expired);
    if (!joined.recovered) return joined;
    const run = rows.slice(since.seq, since.seq + budget.left);
    budget.left -= run.length;
    if (run.length) joined.b = [{ room, ep: head.ep, seq: since.seq + 1, m: run }];
    if (since.seq + run.length < head.seq) joined.next = since.seq + run.length;
    return joined;
  }

  serve(link: number, request: Json): void {
    if (!this.open.has(link) || this.frozen.has(link)) return;
    const { action, id, room } = request;
    const reply = (frame: Json): void => this.later(5 + this.random(this.faults.delayMs / 2), () => this.receive(link, frame));
    if (this.forgotten.has(link)) return reply({ id, err: { code: "not_connected", retry: false, message: "no" } });
    if (this.chance(this.faults.unserved)) {
      const kind = this.random(2);
      if (kind === 1) reply({ id, err: { code: "unavailable", retry: true, after_ms: 500, message: "no" } });
      if (kind === 2) reply({ message: "Internal server error", connectionId: "c", requestId: "r" });
      return;
    }
    const budget = { left: REPLAYED };
    let ok: Json;
    if (action === "sync") {
      ok = { rooms: {} };
      for (const [name, since] of Object.entries<Json>(request.rooms)) ok.rooms[name] = this.join(link, name, since, budget);
    } else if (action === "join") ok = this.join(link, room, request.since, budget);
    else if (action === "leave") {
      this.members.get(link)?.delete(room);
      ok = { room };
    } else if (action === "publish") {
      const items = request["items"] ?? [request];
      assert.equal(new Set(items.map(({ pid }: Json) => pid)).size, items.length);
      for (const { pid } of items) this.publish(room, pid);
      ok = { accepted: items.map(({ pid }: Json) => pid) };
    } else if (action === "history") ok = { room, ...this.head(room), history: [] };
    else if (action === "auth") ok = { expires_at: 0, left: [] };
    else {
      assert.equal(action, "ping");
      const behind = Object.entries<Json>(request.at).filter(([name, at]) => {
        const head = this.head(name);
        return head.ep !== at.ep || head.seq > at.seq;
      });
      return reply({ sys: "pong", behind: Object.fromEntries(behind.map(([name]) => [name, this.head(name)])) });
    }
    if (!this.chance(this.faults.unanswered)) reply({ id, ok });
  }

  receive(link: number, frame: Json): void {
    if (this.open.has(link) && !this.frozen.has(link)) this.rules.received(link, JSON.stringify(frame));
  }

  /** Carries out what the rules want. */
  flush(): void {
    for (const output of this.rules.outputs.splice(0)) {
      switch (output.type) {
        case "connect": {
          const { link } = output;
          const opens = !this.chance(this.faults.unopened);
          this.later(20, () => {
            if (!opens) return this.rules.closed(link, { code: "refused", status: 503 });
            this.open.add(link);
            this.rules.connected(link);
            this.rules.tokenLasts(link, TOKEN_MS);
          });
          break;
        }
        case "send": {
          const { link, text } = output;
          this.later(5 + this.random(this.faults.delayMs / 2), () => this.serve(link, JSON.parse(text)));
          break;
        }
        case "renew":
          this.later(5, () => this.rules.renew(output.link, "a.b.c", TOKEN_MS));
          break;
        case "close":
          this.open.delete(output.link);
          this.members.delete(output.link);
          break;
        default:
          this.hear(output);
      }
    }
  }

  hear(event: Event): void {
    if (event.type === "accepted") this.accepted.push(event.pid);
    if (event.type === "history") this.answered++;
    this.events.push(event);
  }

  call(run: () => void): void {
    this.rules.setTime(this.now);
    run();
    this.flush();
  }

  pass(ms: number): void {
    const until = this.now + ms;
    for (let idle = 0; ; ) {
      this.agenda.sort((a, b) => a.at - b.at || a.n - b.n);
      const next = this.agenda[0]?.at ?? Infinity;
      const due = this.rules.dueAt() ?? Infinity;
      const at = Math.min(next, due);
      if (at > until) break;
      idle = at > this.now ? 0 : idle + 1;
      assert.ok(idle < 10_000, `time stands still at ${this.now}`);
      this.now = Math.max(this.now, at);
      if (due <= this.now) this.call(() => this.rules.tick());
      else this.call(this.agenda.shift()!.run);
    }
    this.now = until;
  }

  do(command: Command): void {
    const room = "room" in command ? ROOMS[command.room]! : "";
    const newest = Math.max(-1, ...this.open);
    const { rules } = this;
    switch (command.do) {
      case "join":
        this.wanted.add(room);
        return this.call(() => rules.join(room, undefined));
      case "leave":
        this.wanted.delete(room);
        return this.call(() => rules.leave(room));
      case "publish": {
        const pid = `own${this.count++}`;
        return this.call(() => {
          if (!rules.publish(room, pid, JSON.stringify(pid))) this.published.push(pid);
        });
      }
      case "others":
        for (let n = 0; n < command.count; n++) this.publish(room, `other${this.count++}`);
        return;
      case "history":
        return this.call(() => {
          const question = { action: "history" as const, room, limit: 5 };
          if (!rules.question(this.count++, question)) this.history++;
        });
      case "restart":
        return this.restart(room);
      case "expire":
        this.log(room).expired = this.log(room).rows.length;
        return;
      case "cut":
        this.open.delete(newest);
        this.members.delete(newest);
        return this.call(() => rules.closed(newest, { code: "connection_lost" }));
      case "freeze":
        this.frozen.add(newest);
        return;
      case "forget":
        this.forgotten.add(newest);
        this.members.delete(newest);
        return;
      case "rest":
        this.call(() => rules.rest());
        this.pass(5_000);
        return this.call(() => rules.wake());
      case "offline":
        this.call(() => rules.setNetwork(false));
        this.pass(60_000);
        return this.call(() => {
          rules.setNetwork(true);
          rules.wake();
        });
      case "pass":
        return this.pass(command.ms);
      case "sleep": {
        // What is on its way arrives at the end of the sleep, before the client notices.
        const until = this.now + command.ms;
        for (const entry of this.agenda) entry.at = Math.max(entry.at, Math.min(until, entry.at + command.ms));
        this.now = until;
        return this.call(() => {
          rules.wake();
          rules.tick();
        });
      }
    }
  }

  /** Everything that holds after any run, once the faults are over. */
  check(): void {
    this.faults = { lost: 0, twice: 0, delayMs: 0, unanswered: 0, unserved: 0, unopened: 0, lagMs: 0 };
    this.pass(600_000);
    const at = new Map<string, Position>();
    for (const event of this.events) {
      switch (event.type) {
        case "joined":
          at.set(event.room, event.position);
          break;
        case "missed":
          at.set(event.room, event.to);
          break;
        case "left":
          at.delete(event.room);
          break;
        case "message": {
          const before = at.get(event.room);
          if (before) {
            assert.equal(event.position.ep, before.ep, "an epoch changes with a missed");
            assert.equal(event.position.seq, before.seq + 1, "once and in order");
          }
          const row = this.epochs.get(event.position.ep)?.[event.position.seq - 1];
          assert.equal(event.pid, row?.id, "a position is one publication");
          at.set(event.room, event.position);
        }
      }
    }
    for (const room of this.wanted) {
      assert.deepEqual(this.rules.position(room), this.head(room), `everything of ${room} is delivered`);
    }
    assert.deepEqual([...this.accepted].sort(), [...this.published].sort(), "each publication is accepted once");
    assert.equal(this.answered, this.history, "each question is answered");
    assert.ok(this.open.size <= 2, "two connections at most");
  }
}

const room = fc.integer({ min: 0, max: ROOMS.length - 1 });
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("join" as const, "publish" as const), room }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("leave" as const, "history" as const), room }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("restart" as const, "expire" as const), room }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("others" as const), room, count: fc.integer({ min: 1, max: 70 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("cut" as const, "freeze" as const, "forget" as const, "rest" as const, "offline" as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 30, 500, 5_000, 60_000, 7_200_000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sleep" as const), ms: fc.constantFrom(31_000, 1_800_000) }) },
);
const percent = fc.integer({ min: 0, max: 30 });
const faults = fc.record({
  lost: percent,
  twice: percent,
  delayMs: fc.constantFrom(0, 50, 3_000),
  unanswered: percent,
  unserved: percent,
  unopened: percent,
  lagMs: fc.constantFrom(0, 1_500),
});

test("whatever happens, each publication is delivered once and in order, or its gap is reported", () => {
  const numRuns = Number(process.env.ROOMCAST_MODEL_RUNS ?? 300);
  fc.assert(
    fc.property(fc.integer(), faults, fc.array(command, { maxLength: 40 }), (seed, faults, commands) => {
      const world = new World(seed, faults);
      for (const command of commands) world.do(command);
      world.check();
    }),
    { numRuns },
  );
});

test("the model finds a client that takes a publication for the one before", () => {
  const failure = fc.check(
    fc.property(fc.integer(), faults, fc.array(command, { maxLength: 40 }), (seed, faults, commands) => {
      const world = new World(seed, faults);
      const { received } = world.rules;
      let count = 0;
      world.rules.received = (link, text) => {
        const isMistaken = text.startsWith('{"b"') && count++ % 10 === 9;
        received(link, isMistaken ? text.replace(/"seq":(\d+)/, (_, seq) => `"seq":${seq - 1}`) : text);
      };
      for (const command of commands) world.do(command);
      world.check();
    }),
    { numRuns: 300 },
  );
  assert.ok(failure.failed, "the model must notice");
});
