/**
 * React hooks. Nothing happens before an effect, so a render on a server opens no socket and sets
 * no timer.
 */

import { createContext, createElement, type ReactElement, type ReactNode, useContext, useMemo, useSyncExternalStore } from "react";
import type { Client, Message, Presence, Room, RoomcastError, RoomEvents, State } from "./index.js";

const Context = createContext<Client | undefined>(undefined);

/** Provides a client, of `connect()`, to the hooks below. */
export function Roomcast({ client, children }: { client: Client; children?: ReactNode }): ReactElement {
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the nearest `<Roomcast>`. */
export function useClient(): Client {
  const client = useContext(Context);
  if (!client) throw new Error("there is no <Roomcast client={…}> around this component");
  return client;
}

/** The state of the connection. */
export function useConnection(): State {
  const client = useClient();
  const subscribe = useMemo(() => (notify: () => void) => client.on("state", notify), [client]);
  const read = (): State => client.state;
  return useSyncExternalStore(subscribe, read, read);
}

/** A room as a store: joined while a component is mounted, and left 2 s after the last one. */
function useStore<Data, Snapshot>(
  name: string,
  initial: Snapshot,
  watch: (room: Room<Data>, change: (change: Partial<Snapshot>) => void, read: () => Snapshot) => void,
  key: unknown,
): { snapshot: Snapshot; current: () => Room<Data> | undefined } {
  const client = useClient();
  const store = useMemo(() => {
    let snapshot = initial;
    let current: Room<Data> | undefined;
    const read = (): Snapshot => snapshot;
    const subscribe = (notify: () => void): (() => void) => {
      const room = (current = client.join<Data>(name));
      watch(
        room,
        (change) => {
          snapshot = { ...snapshot, ...change };
          notify();
        },
        read,
      );
      return () => room.leave();
    };
    return { subscribe, read, current: () => current };
  }, [client, name, key]);
  return { snapshot: useSyncExternalStore(store.subscribe, store.read, store.read), current: store.current };
}

export interface RoomState<Data> {
  readonly state: Room["state"];
  /** The latest publications, the oldest first. */
  readonly messages: readonly Message<Data>[];
  /** The last gap: publications that were too many or too old. */
  readonly missed: RoomEvents<Data>["missed"] | undefined;
  /** Why the room ended. */
  readonly error: RoomcastError | undefined;
}

export interface UseRoom<Data> extends RoomState<Data>, Pick<Room<Data>, "publish" | "send"> {
  /** The room, for everything else; none before the component is mounted. */
  readonly room: Room<Data> | undefined;
}

/** Joins a room and keeps its latest publications, at most `keep`. */
export function useRoom<Data = unknown>(name: string, { keep = 200 }: { keep?: number } = {}): UseRoom<Data> {
  const initial: RoomState<Data> = { state: "joining", messages: [], missed: undefined, error: undefined };
  const { snapshot, current } = useStore<Data, RoomState<Data>>(
    name,
    initial,
    (room, change, read) => {
      const joined = (): void => change({ state: room.state });
      room.on("joined", joined);
      room.on("message", (message) => change({ messages: [...read().messages, message].slice(-keep) }));
      room.on("missed", (missed) => change({ missed }));
      room.on("closed", (error) => change({ state: "closed", error }));
      if (room.state === "joined") joined();
    },
    keep,
  );
  const room = current();
  const mounted = (): Room<Data> => {
    const room = current();
    if (!room) throw new Error("the component is not mounted yet");
    return room;
  };
  return {
    ...snapshot,
    room,
    publish: (data, options) => mounted().publish(data, options),
    send: (data, options) => mounted().send(data, options),
  };
}

/** Joins a room and keeps the list of its users; nothing until it is known. */
export function usePresence(name: string): Partial<Presence> {
  return useStore<unknown, Partial<Presence>>(name, {}, (room, change) => void room.on("presence", change), "").snapshot;
}
