/** Two identities side by side, in a room each. */

import { type Client, connect, type Message, type Room, RoomcastError } from "../../src/index.js";
import { clock, create, createTail, el } from "./dom.js";
import { signToken, socketUrl, TOKEN_S } from "./stack.js";

/** Messages and frames on the page; a room of 50 publications a second fills them in seconds. */
const MESSAGES = 300;
const FRAMES = 200;
/** Frames that are kept for the filter. */
const KEPT = 2_000;
/** A name stays under the messages for this long after its last sign of typing. */
const TYPING_MS = 3_000;

interface Chat {
  text: string;
}

interface Frame {
  way: "in" | "out";
  at: number;
  text: string;
}

interface Line {
  by: string;
  at: number;
  text: string;
  pid?: string;
  isOwn: boolean;
  note?: boolean;
}

/** Each side is another guest, and the same one after a reload. */
const guests = [0, 1].map((side) => (sessionStorage[`guest-${side}`] ||= crypto.randomUUID()) as string);
const PEOPLE = ["ada", "bob", "eve"];

function createPane(side: number, container: HTMLElement): { name(): string } {
  const user = create("input", { value: PEOPLE[side], required: true, autocomplete: "off", spellcheck: false, maxLength: 127, list: "people" });
  const roomName = create("input", { value: "lobby", required: true, autocomplete: "off", spellcheck: false, maxLength: 128 });
  const asGuest = create("button", { type: "button" }, "Join as guest");
  const token = create("span.soft.cut", {}, "");
  const identity = create(
    "form.identity",
    {},
    create("label", {}, "User", user),
    create("label", {}, "Room", roomName),
    create("div.actions", {}, create("button.main", { type: "submit" }, "Sign a token and join"), asGuest, token),
  );
  const state = create("span.dot", { role: "status" }, "not joined");
  const people = create("span.people.soft.cut", {}, "");
  const empty = create("li.note.empty", {}, "");
  const messages = create("ol.messages", { role: "log", "aria-label": "Messages", tabIndex: 0 }, empty);
  const typing = create("div.typing.cut", { "aria-live": "off" });
  const input = create("input", { placeholder: "Message", "aria-label": "Message", autocomplete: "off", maxLength: 8_000, disabled: true });
  const send = create("button", { type: "submit", disabled: true }, "Send");
  const composer = create("form.composer", {}, typing, input, send);
  const filter = create("input", { placeholder: "Filter", "aria-label": "Filter frames", type: "search" });
  const pause = create("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const clear = create("button", { type: "button" }, "Clear");
  const frameList = create("ol", { tabIndex: 0, "aria-label": "Frames" });
  const count = create("span", {}, "0");
  const frames = create(
    "details.frames",
    {},
    create("summary", {}, "Frames ", count),
    create("div.bar", {}, filter, pause, clear),
    frameList,
  );
  container.append(identity, create("div.status", {}, state, people), messages, composer, frames);

  const tail = createTail<Line>(messages, MESSAGES, ({ by, at, text, isOwn, note }) =>
    note
      ? create("li.note", {}, text)
      : create(isOwn ? "li.own" : "li", {}, create("b.cut", { title: by }, by), create("span", {}, text), create("time", {}, clock(at).slice(0, 8))),
  );
  const frameTail = createTail<Frame>(frameList, FRAMES, ({ way, at, text }) =>
    create("li", { "data-way": way }, create("time", {}, clock(at)), create("i", { title: way === "in" ? "received" : "sent" }, way === "in" ? "←" : "→"), create("code", {}, text)),
  );
  let client: Client | undefined;
  let room: Room<Chat> | undefined;
  let kept: Frame[] = [];
  let total = 0;
  let isPaused = false;
  const typists = new Map<string, number>();

  function say(text: string): void {
    empty.remove();
    tail.add({ by: "", at: 0, text, isOwn: false, note: true });
  }

  function showEmpty(text: string): void {
    empty.textContent = text;
    messages.append(empty);
  }

  function record(way: Frame["way"], text: string): void {
    // A token is a secret even here: it is not shown.
    const frame = { way, at: Date.now(), text: text.replace(/"token":"[^"]*"/, '"token":"…"') };
    total++;
    kept.push(frame);
    if (kept.length > 2 * KEPT) kept = kept.slice(-KEPT);
    if (isPaused || !frames.open) return;
    count.textContent = String(total);
    if (frame.text.includes(filter.value)) frameTail.add(frame);
  }

  function showFrames(): void {
    frameTail.clear();
    count.textContent = String(total);
    for (const frame of kept.filter(({ text }) => text.includes(filter.value)).slice(-FRAMES)) frameTail.add(frame);
  }

  /** A socket whose frames are shown. */
  class WatchedSocket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      this.addEventListener("message", ({ data }) => record("in", String(data)));
    }
    override send(text: string): void {
      record("out", text);
      super.send(text);
    }
  }

  function showTyping(): void {
    const now = Date.now();
    for (const [name, at] of typists) if (now - at > TYPING_MS) typists.delete(name);
    const names = [...typists.keys()].slice(0, 3).join(", ");
    typing.textContent = names && `${names} ${typists.size > 1 ? "are" : "is"} typing`;
  }
  setInterval(showTyping, 1_000);

  function leave(): void {
    client?.close();
    client = room = undefined;
    typists.clear();
    people.textContent = "";
    tail.clear();
    send.disabled = input.disabled = true;
  }

  async function join(signed: boolean): Promise<void> {
    leave();
    const name = user.value.trim();
    state.className = "dot connecting";
    state.textContent = "connecting";
    token.textContent = "";
    try {
      const url = await socketUrl();
      const joined = connect(url, {
        ...(signed && { token: () => signToken(name) }),
        device: `chat-${side}`,
        guest: guests[side]!,
        WebSocket: WatchedSocket,
      });
      client = joined;
      joined.on("state", ({ name, retryInMs, error }) => {
        state.className = `dot ${name}`;
        state.textContent = name === "offline" ? `offline, retry in ${((retryInMs ?? 0) / 1000).toFixed(0)} s` : name;
        state.title = error?.message ?? "";
        if (name === "ended" && error && error.code !== "closed") say(`${error.message}. ${error.remediation}`);
      });
      const current = (room = joined.join<Chat>(roomName.value.trim()));
      if (signed) token.textContent = `token for ${TOKEN_S / 60} min, renewed by itself`;
      current.on("joined", () => {
        showEmpty(`You are in ${current.name}. Write the first line, or join it on the other side.`);
        send.disabled = input.disabled = false;
        if (document.activeElement === document.body) input.focus();
      });
      current.on("message", (message) => show(message, name, signed));
      current.on("ephemeral", ({ by, key }) => {
        if (key === "typing") {
          typists.set(by, Date.now());
          showTyping();
        }
      });
      current.on("presence", ({ members, users }) => {
        people.textContent = `${members} ${members === 1 ? "member" : "members"}${users ? `: ${users.join(", ")}` : ""}`;
        people.title = people.textContent;
      });
      current.on("resumed", ({ replayed }) => {
        if (replayed) say(`back: ${replayed} missed ${replayed === 1 ? "line" : "lines"} caught up`);
      });
      current.on("missed", ({ from, to }) => say(`lines ${from.seq + 1} to ${to.seq} are not kept any more`));
      current.on("closed", (error) => {
        send.disabled = input.disabled = true;
        if (error.code !== "closed") say(`${error.message}. ${error.remediation}`);
      });
    } catch (error) {
      state.className = "dot offline";
      state.textContent = "not joined";
      say(error instanceof RoomcastError ? `${error.message}. ${error.remediation}` : error instanceof TypeError ? "The stack cannot be reached. Start it with `cargo dev`, then join again." : String(error));
    }
  }

  const own = new Set<string>();
  function show({ by, at, data, pid }: Message<Chat>, name: string, signed: boolean): void {
    empty.remove();
    typists.delete(by);
    const text = typeof data?.text === "string" ? data.text : JSON.stringify(data);
    tail.add({ by, at, text, isOwn: own.delete(pid) || (signed && by === name) });
  }

  identity.addEventListener("submit", (event) => {
    event.preventDefault();
    void join(true);
  });
  asGuest.addEventListener("click", () => void join(false));
  let typedAt = 0;
  input.addEventListener("input", () => {
    if (!room || Date.now() - typedAt < 1_500) return;
    typedAt = Date.now();
    room.send(true, { key: "typing" });
  });
  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!room || !text) return;
    input.value = "";
    const pid = crypto.randomUUID();
    own.add(pid);
    room.publish({ text }, { pid }).catch((error: RoomcastError) => say(`not sent: ${error.message}. ${error.remediation}`));
  });
  filter.addEventListener("input", showFrames);
  frames.addEventListener("toggle", showFrames);
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Go on" : "Pause";
    if (!isPaused) showFrames();
  });
  clear.addEventListener("click", () => {
    kept = [];
    total = 0;
    showFrames();
  });
  showEmpty("Choose a user and a room, then join.");
  return { name: () => user.value };
}

const panes = [0, 1].map((side) => el(`pane-${side}`));
const sides = panes.map((pane, side) => {
  const { name } = createPane(side, pane);
  const button = el<HTMLButtonElement>(`side-${side}`);
  button.textContent = name();
  pane.addEventListener("input", () => (button.textContent = name() || "…"));
  return button;
});
sides.forEach((button, side) =>
  button.addEventListener("click", () => {
    for (const [n, pane] of panes.entries()) {
      pane.dataset.shown = String(n === side);
      sides[n]!.setAttribute("aria-selected", String(n === side));
    }
  }),
);
