/** Small helpers for pages without a framework. */

type Child = Node | string | false | undefined;

/** Creates an element: `create("p.soft", {title: "…"}, "text")`. */
export function create<K extends keyof HTMLElementTagNameMap>(
  selector: K | `${K}.${string}`,
  fields: Record<string, unknown> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag as K);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(fields)) {
    if (name.includes("-") || name === "role" || name === "for" || name === "list") element.setAttribute(name, String(value));
    else (element as unknown as Record<string, unknown>)[name] = value;
  }
  element.append(...children.filter((child): child is Node | string => !!child));
  return element;
}

/** Runs at most once a frame, however often it is asked for. A hidden page has no frames, so it runs later. */
export function onFrame(run: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      run();
    });
  };
}

/** A list that is appended to in frames, keeps its newest entries, and stays at its end unless the reader has scrolled up. */
export function createTail<T>(list: HTMLElement, most: number, render: (entry: T) => HTMLElement) {
  let waiting: T[] = [];
  const flush = onFrame(() => {
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    const entries = waiting.slice(-most);
    waiting = [];
    list.append(...entries.map(render));
    while (list.childElementCount > most) list.firstElementChild!.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  });
  return {
    add(entry: T): void {
      waiting.push(entry);
      if (waiting.length > 2 * most) waiting = waiting.slice(-most);
      flush();
    },
    clear(): void {
      waiting = [];
      list.replaceChildren();
    },
  };
}

/** The time of day with milliseconds. */
export function clock(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour12: false }) + "." + String(Math.floor(at % 1000)).padStart(3, "0");
}

export function el<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
