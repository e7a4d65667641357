/** What a page of the tests runs: the packed client, and what it has read. */

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { type Client, connect, type Options } from "roomcast";
import { Roomcast, useConnection, useRoom } from "roomcast/react";
import { tabs } from "roomcast/tabs";

interface Probe {
  client?: Client;
  read: number[];
  missed: number;
  states: string[];
  restored: boolean;
  slept: number;
  start(url: string, room: string, options?: { shared?: string; rest?: number }): Promise<void>;
  publish(room: string, data: number): Promise<void>;
  cycle(from: number, count: number): void;
  renderStrict(url: string, room: string): void;
}

const probe: Probe = {
  read: [],
  missed: 0,
  states: [],
  restored: false,
  slept: 0,
  start(url, name, { shared, rest } = {}) {
    const options: Options = { ...(shared && { transport: tabs({ name: shared }) }), ...(rest && { rest }) };
    const client = (probe.client = connect(url, options));
    client.on("state", (state) => probe.states.push(state.name));
    const room = client.join<number>(name);
    room.on("message", ({ data }) => probe.read.push(data));
    room.on("missed", () => probe.missed++);
    return room.joined;
  },
  async publish(name, data) {
    const room = probe.client!.join<number>(name);
    await room.publish(data);
    room.leave();
  },
  cycle(from, count) {
    for (let n = from; n < from + count; n++) {
      const room = probe.client!.join(`cycle-${n % 50}`);
      room.on("message", () => {});
      room.on("presence", () => {});
      room.leave();
    }
  },
  renderStrict(url, name) {
    const client = (probe.client = connect(url));
    const View = () => {
      const { messages, state } = useRoom<number>(name);
      const connection = useConnection();
      return <p>{`${connection.name} ${state} ${messages.map(({ data }) => data).join()}`}</p>;
    };
    createRoot(document.getElementById("root")!).render(
      <StrictMode>
        <Roomcast client={client}>
          <View />
          <View />
        </Roomcast>
      </StrictMode>,
    );
  },
};
addEventListener("pageshow", (event) => (probe.restored ||= event.persisted));
const { now } = Date;
Date.now = () => now.call(Date) + probe.slept;
Object.assign(globalThis, { probe });

export type { Probe };
