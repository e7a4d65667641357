export { connect, type Client, type ClientEvents, type State } from "./client.js";
export type { Options, Token } from "./driver.js";
export { Denied, RoomcastError } from "./error.js";
export type { Presence, Room, RoomEvents, Who } from "./room.js";
export type { Ephemeral, Message, Position, Present } from "./rules/types.js";
