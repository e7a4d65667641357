// A stack as the pages see it, with a room of 5,000 members and 50 publications a second: the measurement and the screenshots use it.
//
// A member of such a room is posted to every 0.8 s (loadtest/README.md), so a page gets 40 publications in a frame. The inspector
// reports 6,250 posts a second, and drops what a reader does not read in time.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";

const root = fileURLToPath(new URL("..", import.meta.url));
const MEMBERS = 5_000;
const RATE = 50;
const ROOM = "lobby";
/** A member is posted to this often; each post carries what was published meanwhile. */
const POST_MS = 800;
/** Posts of the fan-out that the inspector reports in each tick of its feed. */
const TICK_MS = 20;
const POSTS_PER_TICK = (MEMBERS / POST_MS) * TICK_MS;
/** The inspector keeps 16 MiB for a reader that falls behind, and drops the oldest. */
const KEPT_BYTES = 16 * 1024 * 1024;

export const sockets = new Set();
let sequence = 1_000;
let events = 1;
const readers = new Set();
const publish = () => ({ id: crypto.randomUUID(), by: `user-${sequence % 400}`, at: Date.now(), data: { text: `line ${++sequence} of a busy room` } });
let waiting = [];

function block(messages) {
  return { room: ROOM, ep: "k7Qf", seq: sequence - messages.length + 1, m: messages };
}

/** One member's connection. */
function serve(socket) {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  const reply = (frame) => socket.send(JSON.stringify(frame));
  socket.on("message", (text) => {
    const { action, id, pid, data, rooms } = JSON.parse(text);
    const joined = { room: ROOM, ep: "k7Qf", seq: sequence - waiting.length, members: MEMBERS };
    if (action === "sync") reply({ id, ok: { rooms: Object.fromEntries(Object.keys(rooms).map((name) => [name, { ...joined, room: name }])) } });
    else if (action === "join") reply({ id, ok: joined });
    else if (action === "who") reply({ id, ok: { room: ROOM, members: MEMBERS } });
    else if (action === "ping") reply({ sys: "pong", behind: {} });
    else if (action === "publish" && pid) {
      sequence++;
      const message = { id: pid, by: "ada", at: Date.now(), data };
      waiting.push(message);
      report(message);
      reply({ id, ok: { accepted: [pid] } });
    }
  });
}

function emit(event) {
  const wanting = [...readers].filter(({ types }) => types.has(event.type));
  if (!wanting.length) return;
  const text = `id: ${events}\ndata: ${JSON.stringify({ id: events++, at_ms: Date.now(), ...event })}\n\n`;
  for (const reader of wanting) {
    if (reader.response.writableLength > KEPT_BYTES) reader.dropped++;
    else {
      if (reader.dropped) reader.response.write(`data: ${JSON.stringify({ type: "dropped", count: reader.dropped })}\n\n`);
      reader.dropped = 0;
      reader.response.write(text);
    }
  }
}

const files = { "/": ["text/html", "pages/built/index.html"], "/publication.html": ["text/html", "pages/built/publication.html"] };
for (const name of ["chat.js", "publication.js"]) files[`/${name}`] = ["text/javascript", `pages/built/${name}`];
files["/style.css"] = ["text/css", "pages/built/style.css"];
files["/_local/"] = ["text/html", "../../infra/local/src/inspector/page.html"];

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  const json = (value) => response.setHeader("content-type", "application/json").end(JSON.stringify(value));
  if (pathname === "/_local/config") {
    const token_keys = JSON.stringify({ measured: Buffer.from("a key of this measurement").toString("base64url") });
    return json({ name: "measured", functions: [], pages: [], ws_url: `ws://127.0.0.1:${server.address().port}/`, page_config: { token_keys } });
  }
  if (pathname === "/_local/events") {
    const reader = { response, types: new Set((searchParams.get("types") ?? "").split(",")), text: searchParams.get("text"), dropped: 0 };
    response.setHeader("content-type", "text/event-stream").flushHeaders();
    readers.add(reader);
    return void response.on("close", () => readers.delete(reader));
  }
  const [type, path] = files[pathname] ?? [];
  if (!path) return response.writeHead(404).end();
  response.setHeader("content-type", type).end(readFileSync(root + path));
});
new WebSocketServer({ server, handleProtocols: () => "rooms.v1" }).on("connection", serve);
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
export const origin = `http://127.0.0.1:${server.address().port}`;

let body = "";

/** The events of a publication until it is queued. */
function report(message) {
  const request = crypto.randomUUID();
  const sent = JSON.stringify({ action: "publish", id: 7, room: ROOM, pid: message.id, data: message.data });
  emit({ type: "frame_received", connection_id: "c-1", route: "publish", body: sent });
  emit({ type: "invocation_started", function: "ingest", request_id: request, body: sent });
  emit({ type: "log", function: "ingest", request_id: request, text: JSON.stringify({ level: "INFO", message: "accepted", "publication.id": message.id }) });
  emit({ type: "message_sent", queue: "publications.fifo", group: "a1", message_id: request, body: sent });
  emit({ type: "invocation_ended", function: "ingest", request_id: request, status: "success", duration_ms: 4.1 });
}

setInterval(() => {
  const message = publish();
  waiting.push(message);
  report(message);
}, 1_000 / RATE);
setInterval(() => {
  const text = (body = JSON.stringify({ b: [block(waiting)] }));
  waiting = [];
  for (const socket of sockets) socket.send(text);
}, POST_MS);
setInterval(() => {
  for (const socket of sockets) {
    socket.send(JSON.stringify({ b: [{ room: ROOM, p: { members: MEMBERS + (sequence % 7) } }] }));
    socket.send(JSON.stringify({ b: [{ room: ROOM, e: [{ by: `user-${sequence % 40}`, key: "typing", data: true }] }] }));
  }
}, 1_000);
setInterval(() => {
  for (let n = 0; n < POSTS_PER_TICK; n++) emit({ type: "posted", connection_id: `c-${n}`, by: "fanout", outcome: "delivered", body });
}, TICK_MS);
