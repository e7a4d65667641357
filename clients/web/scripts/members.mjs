// Members for the load test (loadtest/src/member/npm.rs): runs the built package in Node, and writes each event to stdout as a
// line of JSON.
//
// The first line of stdin has the address and the members. `reset N` resets the connection of a member. The program ends with
// stdin.
import { createInterface } from "node:readline";
import { connect } from "roomcast";
import WebSocket from "ws";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, token, members } = JSON.parse((await lines.next()).value);
const sockets = new Map();
const clients = [];

function start({ member, room: name, device, guest }) {
  const report = (event, fields) => process.stdout.write(`${JSON.stringify({ event, member, ...fields })}\n`);
  class Watched extends WebSocket {
    constructor(...options) {
      super(...options);
      sockets.set(member, this);
    }
  }
  const client = connect(url, { token, device, guest, WebSocket: Watched });
  clients.push(client);
  let isOnline = false;
  client.on("state", ({ name }) => {
    if ((name === "online") === isOnline) return;
    isOnline = !isOnline;
    report(isOnline ? "online" : "offline");
  });
  const room = client.join(name);
  room.on("joined", ({ position: { ep, seq } }) => report("joined", { epoch: ep, position: seq }));
  room.on("message", ({ pid, position: { ep, seq } }) => report("message", { epoch: ep, position: seq, pid }));
  // Positions of another epoch begin at 1.
  room.on("missed", ({ from, to }) =>
    report("missed", { epoch: to.ep, after: from.ep === to.ep ? from.seq : 0, through: to.seq }),
  );
  room.on("resumed", () => report("resumed"));
  room.on("closed", ({ message }) => report("closed", { reason: message }));
}

for (const member of members) setTimeout(start, member.after_ms, member);
for await (const line of lines) {
  const [, member] = line.split(" ");
  sockets.get(Number(member))?.terminate();
}
for (const client of clients) client.close();
// A member that has not started yet would keep the process alive.
process.exit(0);
