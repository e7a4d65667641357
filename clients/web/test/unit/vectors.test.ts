/** The vectors of shared/protocol/vectors, which each client replays (PROTOCOL.md, "Client rules"). */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { Event } from "../../src/rules/types.js";
import { REPOSITORY } from "../paths.js";
import { Bench } from "./bench.js";

type Json = any;

const folder = new URL("shared/protocol/vectors/", REPOSITORY);

/** An event in the words of the vectors; nothing for kinds that they do not have. */
function words(event: Event): Json {
  switch (event.type) {
    case "online":
    case "offline":
    case "ended":
      return { [event.type]: true };
    case "joined":
      return { joined: { room: event.room, seq: event.position.seq } };
    case "resumed":
    case "message":
      return { [event.type]: { room: event.room, seq: event.position.seq } };
    case "missed":
      return { missed: { room: event.room, from: event.from.seq, to: event.to.seq } };
    case "accepted":
      return { accepted: event.pid };
    case "left":
    case "removed":
    case "refused":
      return { [event.type]: { room: event.room } };
    default:
      return undefined;
  }
}

/** Whether everything that is expected is there; more may be. */
function contains(all: Json, expected: Json): boolean {
  if (all === null || expected === null || typeof all !== "object" || Array.isArray(expected)) {
    return JSON.stringify(all) === JSON.stringify(expected);
  }
  return Object.entries(expected).every(([name, value]) => name in all && contains(all[name], value));
}

class Run {
  bench: Bench;
  id: unknown;
  constructor(seed: number, renews: boolean) {
    this.bench = new Bench(seed, renews);
  }

  step(step: Json): void {
    const { bench } = this;
    const { answering_pings, on, ...rest } = step;
    const [name, argument] = Object.entries<Json>(rest)[0]!;
    switch (name) {
      case "do":
        if (argument.join) return bench.join(argument.join);
        return bench.publish(argument.publish.room, argument.publish.pid);
      case "open":
        bench.open();
        return;
      case "refuse":
        return bench.fail({ code: "refused", status: argument });
      case "lose":
        return bench.lose();
      case "receive":
        return bench.receive(
          argument.id === "$id" ? { ...argument, id: this.id } : argument,
          on === "replaced" ? bench.replaced : bench.link,
        );
      case "pass_ms":
        return answering_pings ? bench.passAnsweringPings(argument) : bench.pass(argument);
      case "sleep_ms":
        return bench.sleep(argument);
      case "sent": {
        const sent = bench.sent.shift();
        assert.ok(contains(sent, argument), `sent ${JSON.stringify(sent)}, expected ${JSON.stringify(argument)}`);
        this.id = sent.id;
        return;
      }
      case "quiet":
        return assert.deepEqual(bench.sent, []);
      case "closed":
        assert.ok(bench.closed.splice(0).length, "the connection is to be closed");
        return;
      case "told":
        return assert.deepEqual(bench.takeEvents().map(words).filter(Boolean), argument);
      default:
        assert.fail(`unknown step ${name}`);
    }
  }
}

const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
assert.ok(files.length >= 14);
for (const file of files) {
  test(`vector ${file}`, () => {
    const vector = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
    for (let seed = 0; seed < 20; seed++) {
      const run = new Run(seed, vector.renews === true);
      for (const [n, step] of vector.steps.entries()) {
        try {
          run.step(step);
        } catch (error) {
          throw new Error(`seed ${seed}, step ${n}: ${JSON.stringify(step)}`, { cause: error });
        }
      }
    }
  });
}
