/** Opens sockets. A transport is an argument, so that tabs may share one. */

import { lossOfToken, NO_WEBSOCKET } from "./error.js";
import type { Loss } from "./rules/types.js";

/** A handshake has this long, its token included. */
const HANDSHAKE_MS = 15_000;

/**
 * The part of a WebSocket that the client uses; that of browsers, Node, Deno and the package `ws`
 * fit.
 */
export interface SocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export type SocketClass = new (url: string, protocols: string[]) => SocketLike;

/** The parameters of a handshake. */
export interface Handshake {
  url: string;
  protocols: string[];
  /** How long the token lasts, in milliseconds, if that is known. */
  lastsMs: number | undefined;
  /** The class to open a socket with. */
  WebSocket: SocketClass | undefined;
}

export interface SocketEvents {
  /** `ageMs`: how long a shared socket has been open already. */
  open(lastsMs: number | undefined, ageMs?: number): void;
  message(text: string): void;
  close(because: Loss): void;
}

export interface Socket {
  send(text: string): void;
  /** Closes with code 1000; nothing is reported after that. */
  close(): void;
}

/** Opens a socket, and gets the token only when it is needed. */
export type Transport = (dial: () => Promise<Handshake>, events: SocketEvents) => Socket;

/** A socket of its own. */
export const openSocket: Transport = (dial, events) => {
  let socket: SocketLike | undefined;
  let isOpen = false;
  let over = false;
  let problem = "";

  const finish = (because: Loss): void => {
    if (over) return;
    close();
    events.close(because);
  };
  const timer = setTimeout(() => finish({ code: "no_answer" }), HANDSHAKE_MS);
  const close = (): void => {
    over = true;
    clearTimeout(timer);
    try {
      socket?.close(1000);
    } catch {
      // The socket is closed already.
    }
  };

  const start = ({ url, protocols, lastsMs, WebSocket }: Handshake): void => {
    if (over) return;
    if (!WebSocket) return finish({ code: NO_WEBSOCKET });
    socket = new WebSocket(url, protocols);
    socket.onopen = () => {
      clearTimeout(timer);
      isOpen = true;
      if (!over) events.open(lastsMs);
    };
    socket.onmessage = ({ data }) => {
      if (!over && typeof data === "string") events.message(data);
    };
    socket.onerror = (event) => (problem = event?.message || "the connection failed");
    socket.onclose = ({ code }) => {
      if (isOpen) return finish({ code: "connection_lost", detail: code });
      // Only the package ws reports the status of a handshake.
      const status = Number(/response: (\d{3})/.exec(problem)?.[1]);
      finish({ code: status ? "refused" : "connection_failed", status, detail: problem });
    };
  };
  dial()
    .then(start)
    .catch((error: unknown) => {
      finish(lossOfToken(error));
    });

  return {
    send(text) {
      try {
        socket?.send(text);
      } catch {
        // The socket is closing: `onclose` follows, and the rules repeat requests without an
        // answer.
      }
    },
    close,
  };
};
