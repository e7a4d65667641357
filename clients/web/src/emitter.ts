/** A typed emitter. A handler that fails is reported, and the other handlers run. */

export interface Emitter<Events> {
  /** Adds a handler; the returned function, or the signal, removes it. */
  on<Type extends keyof Events>(
    type: Type,
    handler: (event: Events[Type]) => unknown,
    options?: { signal?: AbortSignal | undefined },
  ): () => void;
  emit<Type extends keyof Events>(type: Type, event: Events[Type]): void;
  /** Returns whether there is a handler of this type. */
  has(type: keyof Events): boolean;
  /** Removes every handler. */
  clear(): void;
}

declare const reportError: undefined | ((error: unknown) => void);

function report(error: unknown): void {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}

export function createEmitter<Events>(): Emitter<Events> {
  type Entry = { type: keyof Events; handler: (event: never) => unknown };
  const entries = new Set<Entry>();
  return {
    on(type, handler, { signal } = {}) {
      const entry: Entry = { type, handler };
      const off = (): void => {
        entries.delete(entry);
        signal?.removeEventListener("abort", off);
      };
      if (!signal?.aborted) {
        entries.add(entry);
        signal?.addEventListener("abort", off);
      }
      return off;
    },
    emit(type, event) {
      for (const entry of [...entries]) {
        if (entry.type !== type || !entries.has(entry)) continue;
        try {
          const result = entry.handler(event as never);
          if (result instanceof Promise) result.catch(report);
        } catch (error) {
          report(error);
        }
      }
    },
    has: (type) => [...entries].some((entry) => entry.type === type),
    clear: () => entries.clear(),
  };
}
