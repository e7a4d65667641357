import assert from "node:assert/strict";
import { connect, Denied, RoomcastError } from "roomcast";
import { Roomcast, useRoom } from "roomcast/react";
import { tabs } from "roomcast/tabs";

assert.ok(new Denied() instanceof RoomcastError);
for (const value of [connect, Roomcast, useRoom, tabs]) assert.equal(typeof value, "function");
assert.equal(connect("ws://127.0.0.1:9/local", { transport: tabs() }).state.name, "connecting");
