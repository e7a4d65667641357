import { connect, Denied, type Message, type Room, RoomcastError, type State } from "roomcast";
import { Roomcast, useConnection, usePresence, useRoom } from "roomcast/react";
import { tabs } from "roomcast/tabs";

interface Chat {
  text: string;
}

const client = connect("wss://host/stage", {
  token: async () => {
    if (Math.random() < 0) throw new Denied();
    return "a.b.c";
  },
  transport: tabs(),
  rest: 30_000,
});
const room: Room<Chat> = client.join<Chat>("lobby", { since: { ep: "a", seq: 1 } });
const off: () => void = room.on("message", (message: Message<Chat>) => message.data.text.toUpperCase());
room.on("presence", ({ members, users }) => members + (users?.length ?? 0));
room.on("missed", ({ from, to }) => to.seq - from.seq);
// @ts-expect-error: there is no such event
room.on("massage", () => {});
// @ts-expect-error: data has a type
void room.publish({ txt: "" });
client.on("state", (state: State) => (state.error instanceof RoomcastError ? state.error.remediation : state.retryInMs));

export async function use(signal: AbortSignal): Promise<string[]> {
  const texts: string[] = [];
  for await (const message of room.messages({ signal })) texts.push(message.data.text);
  for await (const page of room.history({ before: 7 })) texts.push(...page.map(({ data }) => data.text));
  const { pid, repeated } = await room.publish({ text: "hi" });
  const { users } = await room.who();
  room.send(true, { key: "typing" });
  off();
  room.leave();
  client.close();
  return [...texts, pid, String(repeated), ...(users ?? []).map(({ user }) => user)];
}

export function View(): unknown {
  const { messages, publish } = useRoom<Chat>("lobby", { keep: 10 });
  const { members = 0 } = usePresence("lobby");
  const { name } = useConnection();
  return [messages.map(({ data }) => data.text), publish, members, name, Roomcast];
}
