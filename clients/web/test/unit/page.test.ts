/** The life of a page, with a document and a window of the test's. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect, type Client, type Options } from "../../src/index.js";
import { FakeServer, pass, useFakeTime } from "./world.js";

let server: FakeServer;
let client: Client;
let states: string[];
let read: number[];
const page = new EventTarget() as EventTarget & { visibilityState: string };
const frame = new EventTarget();
const globals = globalThis as Record<string, unknown>;

async function start(options: Options = {}): Promise<void> {
  client = connect("ws://host/stage", { WebSocket: server.WebSocket, ...options });
  states = [];
  read = [];
  client.on("state", ({ name }) => states.push(name));
  client.join<number>("lobby").on("message", ({ data }) => read.push(data));
  await pass(15_000);
  states = [];
}

beforeEach(() => {
  useFakeTime();
  server = new FakeServer();
  page.visibilityState = "visible";
  globals.document = page;
  globals.addEventListener = frame.addEventListener.bind(frame);
  globals.removeEventListener = frame.removeEventListener.bind(frame);
});
afterEach(() => {
  client.close();
  mock.timers.reset();
  mock.restoreAll();
  for (const name of ["document", "addEventListener", "removeEventListener"]) delete globals[name];
});

function show(state: "visible" | "hidden"): void {
  page.visibilityState = state;
  page.dispatchEvent(new Event("visibilitychange"));
}

for (const [leave, back] of [
  [() => frame.dispatchEvent(new Event("pagehide")), () => frame.dispatchEvent(new Event("pageshow"))],
  [() => page.dispatchEvent(new Event("freeze")), () => page.dispatchEvent(new Event("resume"))],
] as const) {
  test(`a page that ${leave.toString().includes("pagehide") ? "is hidden" : "freezes"} closes with 1000, and is back with one sync`, async () => {
    await start();
    leave();
    assert.equal(server.sockets[0]!.closeCode, 1_000);
    for (const n of [1, 2, 3]) server.publish("lobby", `${n}`, n);
    await pass(120_000, 1_000);
    assert.equal(server.sockets.length, 1, "no attempt while hidden");
    const before = server.requests.length;
    back();
    await pass(100);
    assert.deepEqual(read, [1, 2, 3]);
    assert.deepEqual(server.actions().slice(before), ["sync"]);
    assert.deepEqual(states, ["resting", "connecting", "online"]);
  });
}

test("what is published while the page rests waits", async () => {
  await start();
  const room = client.join<number>("lobby");
  frame.dispatchEvent(new Event("pagehide"));
  const published = room.publish(1);
  await pass(1_000);
  frame.dispatchEvent(new Event("pageshow"));
  await pass(100);
  await published;
  assert.deepEqual(read, [1]);
});

test("a hidden page keeps its connection, unless it asked for rest", async () => {
  await start();
  show("hidden");
  await pass(120_000, 100);
  assert.equal(server.open.length, 1);
  client.close();
  server = new FakeServer();
  await start({ rest: true });
  show("hidden");
  await pass(59_000, 100);
  assert.equal(server.open.length, 1);
  await pass(2_000, 100);
  assert.equal(server.open.length, 0);
  assert.deepEqual(states, ["resting"]);
  server.publish("lobby", "1", 1);
  show("visible");
  await pass(100);
  assert.deepEqual(read, [1]);
});

test("a page that is soon visible again does not rest", async () => {
  await start({ rest: 10_000 });
  for (let n = 0; n < 5; n++) {
    show("hidden");
    await pass(9_000, 100);
    show("visible");
    await pass(100);
  }
  assert.equal(server.sockets.length, 1);
});

test("offline stops dialling and keeps the socket; online pings with 3 s", async () => {
  await start();
  frame.dispatchEvent(new Event("offline"));
  await pass(1_000);
  assert.equal(server.open.length, 1);
  server.sockets[0]!.end();
  await pass(60_000, 100);
  assert.equal(server.sockets.length, 1, "no attempt while offline");
  frame.dispatchEvent(new Event("online"));
  await pass(100);
  assert.equal(server.open.length, 1);
  const before = server.requests.length;
  server.silent = true;
  frame.dispatchEvent(new Event("online"));
  await pass(2_900);
  assert.deepEqual(server.actions().slice(before), ["ping"]);
  assert.equal(server.sockets.length, 2);
  server.silent = false;
  await pass(1_000);
  assert.equal(server.sockets.length, 3);
});

test("a throttled timer does not end a healthy connection: queued frames are read first", async () => {
  await start();
  // The keep-alive ping is sent, its pong is queued behind a timer that is 60 s late.
  for (let n = 0; n < 400 && server.actions()[server.requests.length - 1] !== "ping"; n++) await pass(1_000, 100);
  const sockets = server.sockets.length;
  server.silent = true;
  for (let n = 0; n < 400; n++) {
    const before = server.requests.length;
    await pass(1_000, 100);
    if (server.requests.length > before) break;
  }
  server.silent = false;
  mock.timers["setTime"](Date.now() + 20_000);
  server.sockets[sockets - 1]!.deliver({ sys: "pong" });
  await pass(2_000);
  assert.equal(server.sockets.length, sockets);
  assert.equal(client.state.name, "online");
});

test("a closed client listens to nothing", async () => {
  await start();
  client.close();
  frame.dispatchEvent(new Event("pageshow"));
  frame.dispatchEvent(new Event("online"));
  await pass(60_000, 1_000);
  assert.equal(server.sockets.length, 1);
});
