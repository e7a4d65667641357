/** The API, over a fake server in fake time. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect, Denied, RoomcastError, type Client, type Options } from "../../src/index.js";
import { FakeServer, pass, useFakeTime } from "./world.js";

let server: FakeServer;
let client: Client;
const unhandled: unknown[] = [];
process.on("unhandledRejection", (error) => unhandled.push(error));

function start(options: Options = {}): Client {
  client = connect("ws://host/stage", { WebSocket: server.WebSocket, ...options });
  return client;
}

beforeEach(() => {
  useFakeTime();
  server = new FakeServer();
});
afterEach(() => {
  client?.close();
  mock.timers.reset();
  mock.restoreAll();
  assert.deepEqual(unhandled.splice(0), [], "no rejection is unhandled");
});

test("nothing happens before the first join", async () => {
  start();
  client.on("state", () => {});
  await pass(1_000);
  assert.equal(server.sockets.length, 0);
  assert.equal(client.state.name, "connecting");
});

test("a room is joined, read and published to", async () => {
  const room = start({ token: "a.b.c", device: "a b" }).join<{ text: string }>("lobby");
  const read: string[] = [];
  room.on("message", (message) => read.push(`${message.by}: ${message.data.text}`));
  const published = room.publish({ text: "hi" }, { pid: "p1" });
  await pass(100);
  assert.deepEqual(await published, { pid: "p1", repeated: false });
  await room.joined;
  server.publish("lobby", "p2", { text: "hello" });
  await pass(50);
  assert.deepEqual(read, ["me: hi", "bob: hello"]);
  assert.deepEqual(room.position, { ep: "e0", seq: 2 });
  assert.equal(room.state, "joined");
  assert.equal(server.sockets[0]!.url, "ws://host/stage?device=a%20b");
  assert.deepEqual(server.sockets[0]!.protocols, ["rooms.v1", "token.a.b.c"]);
});

test("a guest keeps its secret over connections, and has another one in each client", async () => {
  const secrets = new Set<string>();
  for (let n = 0; n < 2; n++) {
    start().join("lobby");
    await pass(50);
    server.open[0]!.end();
    await pass(1_000);
    for (const { url } of server.sockets.splice(0)) secrets.add(url);
    client.close();
  }
  assert.equal(secrets.size, 2);
  for (const url of secrets) assert.match(url, /^ws:\/\/host\/stage\?guest=[0-9a-f]{32}$/);
  start({ guest: "A".repeat(22) }).join("lobby");
  await pass(50);
  assert.equal(server.sockets[0]!.url, `ws://host/stage?guest=${"A".repeat(22)}`);
});

test("a page keeps the secret of its guest", async () => {
  const globals = globalThis as Record<string, unknown>;
  const stored: Record<string, string> = {};
  globals.document = new EventTarget();
  globals.localStorage = stored;
  try {
    for (let n = 0; n < 2; n++) {
      start().join("lobby");
      await pass(50);
      client.close();
    }
    assert.equal(new Set(server.sockets.map(({ url }) => url)).size, 1);
    assert.ok(server.sockets[0]!.url.endsWith(stored["roomcast:guest"]!));
  } finally {
    delete globals.document;
    delete globals.localStorage;
  }
});

test("publications made offline wait, and are sent in order", async () => {
  server.refuse = true;
  const room = start().join("lobby");
  const receipts = [1, 2, 3].map((n) => room.publish(n));
  await pass(2_000);
  assert.equal(client.state.name === "online", false);
  server.refuse = false;
  await pass(30_000, 50);
  await Promise.all(receipts);
  assert.deepEqual(server.log("lobby").rows.map((row) => row.data), [1, 2, 3]);
});

test("the queue is bounded, and a rejected publication needs no handler", async () => {
  server.refuse = true;
  const room = start().join("lobby");
  for (let n = 0; n < 1_000; n++) void room.publish(n);
  const error = await room.publish(0).catch((error) => error);
  assert.ok(error instanceof RoomcastError);
  assert.equal(error.code, "queue_full");
  assert.equal(error.retry, true);
  assert.ok(error.remediation);
});

test("bad data is refused at once, each with its code", async () => {
  const room = start().join<any>("lobby");
  const code = (data: unknown, pid?: string) =>
    room.publish(data, pid === undefined ? {} : { pid }).then(
      () => "ok",
      (error) => error.code,
    );
  let deep: unknown = 1;
  for (let n = 0; n < 128; n++) deep = [deep];
  assert.equal(await code(undefined), "invalid_data");
  assert.equal(await code("\ud800"), "invalid_data");
  assert.equal(await code(deep), "invalid_data");
  assert.equal(await code("x".repeat(24_576)), "too_large");
  assert.equal(await code(1, "a#b"), "invalid_id");
  assert.throws(() => room.send("x".repeat(5_000)), { code: "too_large" });
  assert.throws(() => client.join("no room"), { code: "invalid_room" });
  const fine = room.publish(["\ud83d\ude00", "\\ud800", "__proto__"]);
  await pass(100);
  await fine;
});

test("a bad value in an object that cannot be serialised is a rejection, not an exception", async () => {
  const room = start().join<any>("lobby");
  const loop: any = {};
  loop.loop = loop;
  await assert.rejects(room.publish(loop));
});

test("handles share one membership, and the last leave waits 2 s", async () => {
  start();
  for (let n = 0; n < 5; n++) {
    const room = client.join("lobby");
    await pass(20);
    room.leave();
    room.leave();
  }
  const kept = client.join("lobby");
  await pass(5_000);
  assert.deepEqual(server.actions().filter((action) => action !== "ping"), ["sync"]);
  kept.leave();
  await pass(1_900);
  assert.ok(!server.actions().includes("leave"));
  await pass(300);
  assert.ok(server.actions().includes("leave"));
});

test("a handler that throws is reported, and the others run", async () => {
  const reported = mock.method(console, "error", () => {});
  const room = start().join("lobby");
  let count = 0;
  room.on("message", () => {
    throw new Error("handler");
  });
  room.on("message", async () => {
    throw new Error("async handler");
  });
  const off = room.on("message", () => count++);
  const stop = new AbortController();
  room.on("message", () => count++, { signal: stop.signal });
  await pass(50);
  server.publish("lobby", "1", 1);
  await pass(50);
  off();
  stop.abort();
  server.publish("lobby", "2", 2);
  await pass(50);
  assert.equal(count, 2);
  assert.equal(reported.mock.callCount(), 4);
});

test("a handler may call the client", async () => {
  const room = start().join<number>("lobby");
  const read: number[] = [];
  room.on("message", ({ data }) => {
    read.push(data);
    if (data < 3) void room.publish(data + 1);
    if (data === 3) client.close();
  });
  void room.publish(1);
  await pass(500);
  assert.deepEqual(read, [1, 2, 3]);
  assert.equal(client.state.name, "ended");
});

test("a refused room closes its handles", async () => {
  const room = start().join("lobby");
  await pass(20);
  const closed: string[] = [];
  room.on("closed", (error) => closed.push(error.code));
  server.sockets[0]!.deliver({ sys: "left", room: "lobby", code: "removed" });
  await pass(50);
  assert.deepEqual(closed, ["removed"]);
  assert.equal(room.state, "closed");
});

test("a refused publication rejects, and is an event", async () => {
  const room = start().join("forbidden");
  const rejected: string[] = [];
  room.on("rejected", ({ pid, error }) => rejected.push(pid + error.code));
  const result = room.publish(1, { pid: "p" });
  await pass(100);
  await assert.rejects(result, { code: "forbidden", retry: false });
  assert.deepEqual(rejected, ["pforbidden"]);
});

test("token is never called twice at once", async () => {
  let calls = 0;
  let running = 0;
  const token = async (): Promise<string> => {
    calls++;
    assert.equal(++running, 1);
    await new Promise((resolve) => setTimeout(resolve, 40_000));
    running--;
    return "a.b.c";
  };
  start({ token }).join("lobby");
  await pass(100_000, 100);
  assert.ok(calls >= 1 && calls <= 3, `${calls} calls`);
});

test("a token is a subprotocol, and is renewed before it expires", async () => {
  const claims = (exp: number): string => `h.${btoa(JSON.stringify({ exp }))}.s`;
  const token = mock.fn(() => claims(Date.now() / 1_000 + 300));
  start({ token }).join("lobby");
  await pass(300_000, 100);
  assert.equal(server.sockets.length, 1);
  assert.match(server.sockets[0]!.protocols[1]!, /^token\.h\./);
  assert.equal(server.actions().filter((action) => action === "auth").length, 1);
  assert.equal(token.mock.callCount(), 2);
});

test("Denied ends the client, and every promise", async () => {
  const states: string[] = [];
  start({
    token() {
      throw new Denied();
    },
  }).on("state", (state) => states.push(`${state.name} ${state.error?.code ?? ""}`));
  const room = client.join("lobby");
  const published = room.publish(1);
  await pass(100);
  assert.deepEqual(states, ["connecting ", "ended denied"]);
  await assert.rejects(published, { code: "denied" });
  await assert.rejects(room.joined, { code: "denied" });
  assert.throws(() => client.join("other"), { code: "closed" });
});

test("a failed token is tried again, and so is a bad character in it", async () => {
  let calls = 0;
  const token = (): string => {
    calls++;
    if (calls < 3) throw new Error("the endpoint is down");
    return "a.b.c";
  };
  start({ token }).join("lobby");
  await pass(10_000, 20);
  assert.equal(client.state.name, "online");
});

test("messages() yields what is published, and ends with leave", async () => {
  const room = start().join<number>("lobby");
  const read: number[] = [];
  const done = (async () => {
    for await (const message of room.messages()) read.push(message.data);
  })();
  await pass(50);
  for (const n of [1, 2, 3]) server.publish("lobby", `${n}`, n);
  await pass(50);
  room.leave();
  await done;
  assert.deepEqual(read, [1, 2, 3]);
});

test("a slow reader of messages() gets from the log what did not fit", async () => {
  const room = start().join<number>("lobby");
  const reader = room.messages();
  await pass(50);
  for (let n = 1; n <= 2_500; n++) {
    server.publish("lobby", `${n}`, n);
    if (n % 100 === 0) await pass(10);
  }
  await pass(100);
  const read: number[] = [];
  for (let n = 0; n < 2_500; n++) {
    let data: number | undefined;
    void reader.next().then(({ value }) => (data = value!.data));
    for (let turn = 0; data === undefined && turn < 50; turn++) await pass(10);
    read.push(data!);
  }
  assert.deepEqual(read, Array.from({ length: 2_500 }, (_, n) => n + 1));
  await reader.return(undefined);
});

test("messages() ends with its signal, and throws when the room ends", async () => {
  const room = start().join<number>("lobby");
  const stop = new AbortController();
  const aborted = room.messages({ signal: stop.signal }).next();
  const failed = room.messages().next();
  failed.catch(() => {});
  await pass(50);
  stop.abort();
  assert.equal((await aborted)["done"], true);
  server.sockets[0]!.deliver({ sys: "bye", code: "kicked", retry: "never" });
  await pass(50);
  await assert.rejects(failed, { code: "kicked", retry: false });
});

test("history pages go back to the beginning", async () => {
  for (let n = 1; n <= 100; n++) server.publish("lobby", `${n}`, n);
  const room = start().join<number>("lobby");
  const pages: number[][] = [];
  const done = (async () => {
    for await (const page of room.history({ before: 95 })) pages.push(page.map(({ data }) => data));
  })();
  await pass(300);
  await done;
  assert.deepEqual(pages.reverse().flat(), Array.from({ length: 94 }, (_, n) => n + 1));
});

test("a room that nothing was published to has no history, and no epoch", async () => {
  const room = start().join("lobby");
  await pass(50);
  server.silent = true;
  const first = room.history().next();
  await pass(50);
  const { id } = server.requests[server.requests.length - 1];
  server.open[0]!.deliver({ id, ok: { room: "lobby", seq: 0, history: [] } });
  await pass(50);
  assert.equal((await first)["done"], true);
});

test("presence asks who once, and applies changes", async () => {
  const room = start().join("lobby");
  const seen: string[] = [];
  room.on("presence", ({ members, users }) => seen.push(`${members} ${users}`));
  await pass(100);
  server.sockets[0]!.deliver({ b: [{ room: "lobby", p: { members: 3, users: 3, in: ["eve"] } }] });
  server.sockets[0]!.deliver({ b: [{ room: "lobby", p: { members: 2, users: 2, in: ["eve"], out: ["ada"] } }] });
  server.sockets[0]!.deliver({ b: [{ room: "lobby", p: { members: 200 } }] });
  await pass(100);
  assert.deepEqual(seen, ["2 ada,bob", "3 ada,bob,eve", "2 bob,eve", "200 undefined"]);
  assert.equal(server.actions().filter((action) => action === "who").length, 1);
});

test("names that differ from the count are asked for again, 5 s after the last question", async () => {
  const room = start().join("lobby");
  const seen: string[] = [];
  room.on("presence", ({ members, users }) => seen.push(`${members} ${users}`));
  await pass(100);
  const asked = () => server.actions().filter((action) => action === "who").length;
  const block = (users: number, ...names: string[]) =>
    server.sockets[0]!.deliver({ b: [{ room: "lobby", p: { members: users, users, in: names } }] });
  // The block that names eve is lost.
  block(4, "mia");
  await pass(4_800);
  assert.equal(asked(), 1);
  await pass(200);
  assert.equal(asked(), 2);
  // The answer stands until a block differs from it.
  await pass(10_000);
  assert.deepEqual([asked(), seen.at(-1)], [2, "2 ada,bob"]);
  block(3);
  await pass(50);
  assert.equal(asked(), 3);
  // A later block that agrees ends the wait.
  block(4);
  await pass(1_000);
  block(2);
  await pass(10_000);
  assert.equal(asked(), 3);
});

test("names are asked for again when a block came before an answer that is late", async () => {
  const room = start().join("lobby");
  room.on("presence", () => {});
  await pass(22);
  server.silent = true;
  await pass(100);
  const { action, id } = server.requests.at(-1);
  assert.equal(action, "who");
  server.sockets[0]!.deliver({ b: [{ room: "lobby", p: { members: 3, users: 3 } }] });
  await pass(5_500);
  server.sockets[0]!.deliver({ id, ok: { room: "lobby", members: 1, users: [{ user: "ada", since: 1, connections: 1 }] } });
  await pass(50);
  assert.equal(server.actions().filter((action) => action === "who").length, 2);
});

for (const end of ["leave", "close"] as const) {
  test(`nothing asks for names after ${end}`, async () => {
    const room = start().join("lobby");
    client.join("other");
    room.on("presence", () => {});
    await pass(100);
    server.sockets[0]!.deliver({ b: [{ room: "lobby", p: { members: 3, users: 3 } }] });
    await pass(50);
    const timers = mock.method(globalThis, "setTimeout");
    if (end === "leave") room.leave();
    else client.close();
    await pass(2_100);
    const before = timers.mock.callCount();
    await pass(5_000);
    assert.equal(server.actions().filter((action) => action === "who").length, 1);
    if (end === "close") assert.equal(timers.mock.callCount(), before);
  });
}

test("a room without a handler of presence is not asked who", async () => {
  start().join("lobby");
  await pass(50);
  server.sockets[0]!.deliver({ b: [{ room: "lobby", p: { members: 2, users: 2, in: ["eve"] } }] });
  await pass(6_000);
  assert.ok(!server.actions().includes("who"));
});

test("more questions than the rules take at once all get their answer", async () => {
  const room = start().join("lobby");
  const answers = Promise.all(Array.from({ length: 50 }, () => room.who()));
  await pass(1_000);
  assert.equal((await answers).length, 50);
});

test("a lost connection is resumed: what was missed comes once and in order", async () => {
  const room = start().join<number>("lobby");
  const read: number[] = [];
  room.on("message", ({ data }) => read.push(data));
  await pass(50);
  server.publish("lobby", "1", 1);
  await pass(50);
  server.sockets[0]!.end();
  server.publish("lobby", "2", 2);
  await pass(1_000);
  server.publish("lobby", "3", 3);
  await pass(100);
  assert.deepEqual(read, [1, 2, 3]);
  assert.equal(client.state.name, "online");
});

test("a sleep of 30 minutes: one ping, and the connection goes on", async () => {
  const room = start().join<number>("lobby");
  await pass(15_000);
  const before = server.requests.length;
  mock.timers["setTime"](Date.now() + 30 * 60_000);
  await pass(500);
  assert.equal(server.sockets.length, 1);
  assert.deepEqual(server.actions().slice(before), ["ping"]);
  void room;
});

test("a sleep that killed the connection: another one within 4 s", async () => {
  start().join<number>("lobby");
  await pass(15_000);
  server.silent = true;
  mock.timers["setTime"](Date.now() + 30 * 60_000);
  await pass(2_000);
  assert.equal(server.sockets.length, 1);
  server.silent = false;
  await pass(2_000);
  assert.equal(server.sockets.length, 2);
});

test("a client closes with 1000, and answers nothing after that", async () => {
  const room = start().join("lobby");
  await pass(50);
  client.close();
  client.close();
  assert.equal(server.sockets[0]!.closeCode, 1_000);
  await assert.rejects(room.publish(1), { code: "closed" });
  await assert.rejects(room.who(), { code: "closed" });
  await pass(60_000, 1_000);
  assert.equal(server.sockets.length, 1);
});

test("rooms named like an object's members are rooms", async () => {
  start();
  const read: string[] = [];
  for (const name of ["__proto__", "toString", "7", "constructor"]) {
    client.join(name).on("message", ({ room }) => read.push(room));
  }
  await pass(50);
  for (const name of ["__proto__", "toString", "7", "constructor"]) server.publish(name, "1", 1);
  await pass(50);
  assert.equal(read.length, 4);
});

test("1,000 joins and leaves leave nothing behind", async () => {
  start();
  for (let n = 0; n < 1_000; n++) {
    const room = client.join(`room${n % 50}`);
    room.on("message", () => {});
    room.leave();
    if (n % 50 === 49) await pass(2_200, 100);
  }
  await pass(3_000, 100);
  assert.equal(server.open[0]!.rooms.size, 0);
});
