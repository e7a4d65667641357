/** Reports the events of a page that matter for its connection. */

export interface PageHandler {
  /** Close, and keep everything. */
  rest(): void;
  /** Connect at once, or check the connection if it was silent for a while. */
  wake(): void;
  setNetwork(up: boolean): void;
}

/**
 * Watches the page, and returns a function that stops it. Without a page (Node, workers, React
 * Native) it watches the events that exist. A page in the back/forward cache and a frozen page run
 * no code, and the server does not notice: so both close their connections first.
 */
export function watchPage(handler: PageHandler, restAfterMs: number | undefined): () => void {
  const page = typeof document === "object" ? document : undefined;
  const target = typeof addEventListener === "function" ? globalThis : undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const { rest, wake } = handler;
  const listeners: [EventTarget | undefined, string, () => void][] = [
    [target, "online", () => handler.setNetwork(true)],
    [target, "offline", () => handler.setNetwork(false)],
    [page && target, "pagehide", rest],
    [page && target, "pageshow", wake],
    [page, "freeze", rest],
    [page, "resume", wake],
    [
      page,
      "visibilitychange",
      () => {
        clearTimeout(timer);
        if (page?.visibilityState === "visible") wake();
        else if (restAfterMs !== undefined) timer = setTimeout(rest, restAfterMs);
      },
    ],
  ];
  for (const [target, type, listener] of listeners) target?.addEventListener(type, listener);
  return () => {
    clearTimeout(timer);
    for (const [target, type, listener] of listeners) target?.removeEventListener(type, listener);
  };
}
