import assert from "node:assert/strict";
import { createElement, StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { connect } from "roomcast";
import { Roomcast, useConnection, usePresence, useRoom } from "roomcast/react";

let sockets = 0;
globalThis.WebSocket = class {
  constructor() {
    sockets++;
  }
};
const client = connect("ws://127.0.0.1:9/local");

function View() {
  const { messages, state } = useRoom("lobby");
  const { members } = usePresence("lobby");
  const { name } = useConnection();
  return createElement("p", null, `${state} ${messages.length} ${members} ${name}`);
}

const before = process.getActiveResourcesInfo().length;
const html = renderToString(createElement(StrictMode, null, createElement(Roomcast, { client }, createElement(View))));
assert.equal(html, "<p>joining 0 undefined connecting</p>");
assert.equal(sockets, 0, "a render on a server opens no socket");
assert.equal(process.getActiveResourcesInfo().length, before, "a render on a server sets no timer");
