const assert = require("node:assert/strict");
const { connect, Denied, RoomcastError } = require("roomcast");
const { Roomcast, useRoom } = require("roomcast/react");
const { tabs } = require("roomcast/tabs");

assert.ok(new Denied() instanceof RoomcastError);
for (const value of [connect, Roomcast, useRoom, tabs]) assert.equal(typeof value, "function");
assert.equal(connect("ws://127.0.0.1:9/local").state.name, "connecting");
