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

/** Entries that are added in one frame. */
const AT_ONCE = 20;

/** A scroll within this time after the wheel, a key or a touch is the reader's. */
const SCROLLS_MS = 1_000;

/** A list that is appended to in frames, keeps its newest entries, and stays at its end unless the reader has scrolled up. */
export function createTail<T>(list: HTMLElement, most: number, render: (entry: T) => HTMLElement) {
  let waiting: T[] = [];
  let follows = true;
  let touchedAt = -SCROLLS_MS;
  const toEnd = (): void => {
    if (follows) list.scrollTop = list.scrollHeight;
  };
  for (const type of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    list.addEventListener(type, () => (touchedAt = performance.now()), { passive: true });
  }
  list.addEventListener("scroll", () => {
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    if (isAtEnd || performance.now() - touchedAt < SCROLLS_MS) follows = isAtEnd;
  });
  new ResizeObserver(toEnd).observe(list);
  const flush = onFrame(() => {
    // What comes in one frame of a busy room is spread over frames of the page.
    waiting = waiting.slice(-most);
    list.append(...waiting.splice(0, AT_ONCE).map(render));
    while (list.childElementCount > most) list.firstElementChild!.remove();
    toEnd();
    if (waiting.length) flush();
  });
  return {
    add(entry: T): void {
      waiting.push(entry);
      if (waiting.length > 2 * most) waiting = waiting.slice(-most);
      flush();
    },
    clear(): void {
      waiting = [];
      follows = true;
      list.replaceChildren();
    },
  };
}

/** The time of day with milliseconds. */
export function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8) + "." + String(Math.floor(at % 1000)).padStart(3, "0");
}

export function el<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
