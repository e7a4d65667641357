/** One client on the bench: the test is its clock, its network and its server. */

import assert from "node:assert/strict";
import { createRules, type Rules } from "../../src/rules/rules.js";
import type { Event, Loss } from "../../src/rules/types.js";

type Json = any;

/** A small generator (mulberry32), so that each seed gives the same run. */
export function chanceFrom(seed: number): (most: number) => number {
  let state = seed >>> 0;
  return (most) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296) * (most + 1));
  };
}

export class Bench {
  rules: Rules;
  now = 0;
  link = 0;
  /** The connection that the newest one replaces. */
  replaced = 0;
  events: Event[] = [];
  sent: Json[] = [];
  opened: number[] = [];
  closed: number[] = [];
  renewals: number[] = [];

  constructor(seed = 1, renews = false) {
    this.rules = createRules(chanceFrom(seed), renews, 0);
    this.do((rules) => rules.tick());
  }

  do<R>(action: (rules: Rules) => R): R {
    this.rules.setTime(this.now);
    const result = action(this.rules);
    for (const output of this.rules.outputs.splice(0)) {
      if (output.type === "connect") this.opened.push(output.link);
      else if (output.type === "send") this.sent.push(JSON.parse(output.text));
      else if (output.type === "renew") this.renewals.push(output.link);
      else if (output.type === "close") {
        this.closed.push(output.link);
        this.opened = this.opened.filter((link) => link !== output.link);
      } else this.events.push(output);
    }
    return result;
  }

  open(): number {
    const link = this.opened.shift();
    assert.ok(link !== undefined, "no connection was asked for");
    this.replaced = this.link;
    this.link = link;
    this.do((rules) => rules.connected(link));
    return link;
  }

  fail(because: Loss): void {
    const link = this.opened.shift();
    assert.ok(link !== undefined, "no connection was asked for");
    this.do((rules) => rules.closed(link, because));
  }

  lose(): void {
    this.do((rules) => rules.closed(this.link, { code: "connection_failed" }));
  }

  join(room: string, since?: { ep: string; seq: number }): void {
    assert.equal(this.do((rules) => rules.join(room, since)), undefined);
  }

  leave(room: string): void {
    this.do((rules) => rules.leave(room));
  }

  publish(room: string, pid: string, data: unknown = { "text": pid }): void {
    assert.equal(this.do((rules) => rules.publish(room, pid, JSON.stringify(data))), undefined);
  }

  receive(frame: Json, link = this.link): void {
    this.do((rules) => rules.received(link, JSON.stringify(frame)));
  }

  /** Lets time pass, each wake-up at its moment. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let at = this.rules.dueAt(); at !== undefined && at <= until; at = this.rules.dueAt()) {
      this.now = Math.max(this.now, at);
      this.do((rules) => rules.tick());
    }
    this.now = until;
  }

  /** The same, and each ping gets an empty pong at once. */
  passAnsweringPings(ms: number): void {
    const until = this.now + ms;
    for (let at = this.rules.dueAt(); at !== undefined && at <= until; at = this.rules.dueAt()) {
      this.pass(Math.max(0, at - this.now));
      const pings = this.sent.filter((message) => message.action === "ping").length;
      this.sent = this.sent.filter((message) => message.action !== "ping");
      for (let n = 0; n < pings; n++) this.receive({ sys: "pong" });
    }
    this.now = until;
  }

  /** Lets time pass without the client, which then notices. */
  sleep(ms: number): void {
    this.now += ms;
    this.do((rules) => {
      rules.wake();
      rules.tick();
    });
  }

  answerPings(): void {
    for (const message of this.sent.splice(0)) {
      assert.equal(message.action, "ping", JSON.stringify(message));
      this.receive({ sys: "pong" });
    }
  }

  takeEvents(): Event[] {
    return this.events.splice(0);
  }

  /** The next request, which must be of this action. */
  asked(action: string): Json {
    const message = this.sent.shift();
    assert.equal(message?.action, action, JSON.stringify(message));
    return message;
  }
}
