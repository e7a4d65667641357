/**
 * Traces of the Rust rules (shared/protocol/vectors/README.md): the same inputs and the same drawn numbers must give the same
 * outputs, to the letter. ROOMCAST_TRACES names the file.
 */

import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { createRules, type Rules } from "../../src/rules/rules.js";
import type { Loss, NotTaken, Output } from "../../src/rules/types.js";

type Json = any;

function toLoss({ status, close_code: detail, failed }: Json): Loss {
  if (failed) return { code: "connection_failed" };
  return status === undefined ? { code: "connection_lost", detail } : { code: "refused", status };
}

function ofLoss({ code, status, detail }: Loss): Json {
  if (status !== undefined) return { status };
  if (code === "connection_lost") return { close_code: detail ?? null };
  if (code === "connection_failed") return { failed: true };
  return code === "no_answer" ? { silent: true } : { told: code };
}

function ofAnswer(answer: Json): Json {
  if (answer.page) return answer.page;
  return answer.failure ? { refused: answer.failure.code } : { unanswered: true };
}

/** An output in the words of the traces. */
function ofOutput(output: Output): Json {
  switch (output.type) {
    case "connect":
    case "renew":
    case "close":
      return { [output.type]: output.link };
    case "send":
      return { send: output.link, frame: JSON.parse(output.text) };
    default:
      return { event: ofEvent(output) };
  }
}

function ofEvent(event: Exclude<Output, { link: number }>): Json {
  switch (event.type) {
    case "online":
    case "resting":
      return { [event.type]: true };
    case "offline":
      return { offline: ofLoss(event.because), retry_in_ms: event.retryInMs };
    case "ended":
      return { ended: ofLoss(event.because) };
    case "joined":
      return { joined: event.room, at: event.position, members: event.members ?? null };
    case "resumed":
      return { resumed: event.room, at: event.position, replayed: event.replayed };
    case "missed":
      return { missed: event.room, from: event.from, to: event.to };
    case "left":
      return { left: event.room };
    case "removed":
      return { removed: event.room, code: event.code };
    case "refused":
      return { refused: event.room, code: event.failure.code };
    case "message": {
      const { room, position, pid, by, at, data, from } = event;
      return { message: pid, room, at: position, by, from: from ?? null, accepted_at: at, data };
    }
    case "ephemeral":
      return { ephemeral: event.data, room: event.room, by: event.by, key: event.key ?? null, from: event.from ?? null };
    case "presence":
      return { presence: event.members, room: event.room, users: event.users ?? null, in: event.came, out: event.went };
    case "accepted":
      return { accepted: event.pid, room: event.room };
    case "rejected":
      return { rejected: event.pid, room: event.room, code: event.failure.code };
    case "history":
    case "who":
      return { [event.type]: event.ticket, "page": ofAnswer(event.answer) };
  }
}

/** What goes into the rules: a step has one of these, and its fields. */
const INPUTS = ["tick", "connected", "token_lasts", "closed", "received", "renew", "not_renewed", "join", "leave", "publish", "history"];

/** Puts a step into the rules. */
function put(rules: Rules, input: Json): NotTaken | undefined | void {
  const kind = INPUTS.find((name) => name in input);
  const of = kind && input[kind];
  switch (kind) {
    case "tick":
      return rules.tick();
    case "connected":
      return rules.connected(of);
    case "token_lasts":
      return rules.tokenLasts(of, input.lasts_ms);
    case "closed":
      return rules.closed(of, toLoss(input["because"]));
    case "received":
      return rules.received(of, input["text"]);
    case "renew":
      return rules.renew(of, input.token, input.lasts_ms ?? undefined);
    case "not_renewed":
      return rules.notRenewed(of);
    case "join":
      return rules.join(of, input.since ?? undefined);
    case "leave":
      return rules.leave(of);
    case "publish":
      return rules.publish(of, input.pid, JSON.stringify(input.data));
    case "history": {
      const before = input.before ?? undefined;
      return rules.question(of, { action: "history", room: input.room, limit: input.limit, ...(before && { before }) });
    }
    default:
      assert.fail(`unknown input ${kind}`);
  }
}

test("the Rust rules and these say the same, to the letter", async () => {
  const file = process.env.ROOMCAST_TRACES;
  assert.ok(file, "ROOMCAST_TRACES names the file of traces");
  let rules: Rules | undefined;
  let drew: [number, number][] = [];
  let seeds = 0;
  let steps = 0;
  const draw = (most: number): number => {
    const [expected, number] = drew.shift() ?? assert.fail(`a number up to ${most} is drawn, and none was`);
    assert.equal(most, expected);
    return number;
  };
  let line = 0;
  let seed = 0;
  for await (const text of createInterface(createReadStream(file))) {
    line++;
    const step = JSON.parse(text);
    if ("seed" in step) {
      ({ seed } = step);
      seeds++;
      rules = createRules(draw, step.renews, 0);
      continue;
    }
    const { ms, in: input, out, wake_ms, taken = true } = step;
    drew = step.drew;
    try {
      rules!.setTime(ms);
      const reason = put(rules!, input);
      assert.equal(reason === undefined, taken, `taken: ${reason}`);
      assert.deepEqual(JSON.parse(JSON.stringify(rules!.outputs.splice(0).map(ofOutput))), out);
      assert.deepEqual(drew, [], "every number is drawn");
      assert.equal(rules!.dueAt() ?? null, wake_ms, "the next wake-up");
    } catch (error) {
      throw new Error(`line ${line}, seed ${seed}: ${text.slice(0, 2_000)}`, { cause: error });
    }
    steps++;
  }
  console.log(`${seeds} seeds, ${steps} steps`);
  assert.ok(seeds >= 1_000, `${seeds} seeds`);
});
