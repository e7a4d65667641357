/** One publication, step by step, as the stack reports it. */

import { type Client, connect, type Position, type Room, RoomcastError } from "../../src/index.js";
import { create, el, onFrame } from "./dom.js";
import { killFunction, readEvents, readFaults, readLogs, setFaults, signToken, socketUrl, type StackEvent } from "./stack.js";

/** Publications that are kept on the page. */
const KEPT = 30;
/** Events of jobs that wait until a publication has its position. */
const JOBS = 500;
/** A publication is followed this long. */
const FOLLOWED_MS = 120_000;
/** Each post takes 5 s with this fault, so that a fan-out can be killed while it posts. */
const SLOW_POSTS = "F39=1";
/** The fault ends after this time, if no fan-out began. */
const SLOW_MS = 5_000;
/** Facts that are listed one by one. */
const LISTED = 8;

const TYPES = ["frame_received", "invocation_started", "invocation_ended", "message_sent", "posted", "process_started", "process_ended"];
const STEPS = ["sent", "received", "accepted", "queued", "sequenced", "jobs", "posted", "heard"] as const;
type Step = (typeof STEPS)[number];
const NAMES: Record<Step, string> = {
  sent: "Sent by this page",
  received: "Received by the gateway",
  accepted: "Accepted: durable",
  queued: "Queued for its room",
  sequenced: "Sequenced: it has its place",
  jobs: "Jobs, one a shard",
  posted: "Posted to members",
  heard: "Read by this page",
};

interface Fact {
  at: number;
  text: string;
  /** What to search the logs for. */
  request?: string;
  isBad?: boolean;
}

interface Tracked {
  pid: string;
  text: string;
  room: string;
  startedAt: number;
  position?: Position;
  facts: Map<Step, Fact[]>;
  /** Posts that are counted and not listed: a room may have thousands of members. */
  morePosts: number;
  /** Requests of invocations that carry this publication, and the step that they belong to. */
  requests: Map<string, Step>;
  error?: string;
}

interface Job {
  room: string;
  ep: string;
  after: number;
  through: number;
  shard: number;
  at: number;
  request?: string;
  receives?: number;
}

const form = el<HTMLFormElement>("publish");
const user = el<HTMLInputElement>("user");
const roomName = el<HTMLInputElement>("room");
const input = el<HTMLInputElement>("text");
const output = el<HTMLOutputElement>("output");
const kill = el<HTMLButtonElement>("kill");
const sentList = el<HTMLOListElement>("sent");
const stepList = el<HTMLOListElement>("steps");
const watching = el("watching");

const tracked: Tracked[] = [];
let selected: Tracked | undefined;
let jobs: Job[] = [];
let client: Client | undefined;
let room: Room<unknown> | undefined;
let identity = "";

function note(of: Tracked, step: Step, fact: Fact): void {
  const facts = of.facts.get(step) ?? [];
  facts.push(fact);
  of.facts.set(step, facts);
  render();
}

// The list and the steps

const render = onFrame(() => {
  sentList.replaceChildren(
    ...tracked.map((publication) => {
      const heard = publication.facts.get("heard")?.[0];
      const end = publication.error ?? (heard ? `${Math.round(heard.at - publication.startedAt)} ms` : "on its way");
      const button = create(
        "button",
        { type: "button", "aria-pressed": String(publication === selected), onclick: () => select(publication) },
        create("span.cut", {}, publication.text),
        create(publication.error ? "span.bad" : "span", {}, end),
        create("small.cut", {}, `${publication.room}${publication.position ? ` · ${publication.position.ep}/${publication.position.seq}` : ""}`),
      );
      return create("li", {}, button);
    }),
  );
  if (selected) renderSteps(selected);
});

const openLogs = new Map<string, string>();

function renderSteps(publication: Tracked): void {
  const last = STEPS.reduce((last, step, n) => (publication.facts.has(step) ? n : last), -1);
  stepList.replaceChildren(
    ...STEPS.map((step, n) => {
      const facts = [...(publication.facts.get(step) ?? [])].sort((one, other) => one.at - other.at);
      const first = facts[0];
      const more = Math.max(0, facts.length - LISTED) + (step === "posted" ? publication.morePosts : 0);
      const isSkipped = !first && n < last;
      const status = facts.some(({ isBad }) => isBad) ? "failed" : first ? "done" : "waiting";
      const requests = [...new Set(facts.flatMap(({ request }) => request ?? []))];
      return create(
        `li.step.${status}` as "li",
        {},
        create("time", {}, first ? `+${(first.at - publication.startedAt).toFixed(0)} ms` : ""),
        create("i"),
        create(
          "div.body",
          {},
          create("div.name", {}, NAMES[step]),
          create(
            "ul",
            {},
            ...(isSkipped ? [create("li", {}, "not seen: this publication went another way")] : []),
            ...facts.slice(0, LISTED).map(({ at, text, isBad }) =>
              create("li", {}, create("time", {}, `+${(at - publication.startedAt).toFixed(0)}`), create(isBad ? "span.bad.cut" : "span.cut", { title: text }, text)),
            ),
            more > 0 && create("li", {}, `and ${more.toLocaleString("en")} more`),
          ),
          ...requests.slice(0, 2).map(logLines),
        ),
      );
    }),
  );
}

/** The log lines of an invocation, read when they are opened. */
function logLines(request: string): HTMLElement {
  const pre = create("pre", {}, openLogs.get(request) ?? "…");
  const details = create("details", { open: openLogs.has(request) }, create("summary", {}, `log of ${request.slice(0, 8)}`), pre);
  details.addEventListener("toggle", async () => {
    if (!details.open) return void openLogs.delete(request);
    if (openLogs.has(request)) return;
    openLogs.set(request, "…");
    try {
      openLogs.set(request, (await readLogs(request)).join("\n") || "no line yet");
    } catch (error) {
      openLogs.set(request, String(error));
    }
    render();
  });
  return details;
}

function select(publication: Tracked): void {
  selected = publication;
  el("steps-empty").hidden = true;
  openLogs.clear();
  render();
}

// Events of the stack

/** The publications that an event may be about. */
function active(): Tracked[] {
  const since = Date.now() - FOLLOWED_MS;
  return tracked.filter(({ startedAt }) => startedAt > since);
}

function wants(text: string): boolean {
  // Posts of others are most of a busy stream: they are dropped before they are parsed.
  return !text.includes('"type":"posted"') || active().some(({ pid }) => text.includes(pid));
}

/** The jobs in a text of a queue or of an invocation. */
function jobsIn(text: string, event: StackEvent): Job[] {
  try {
    const body = JSON.parse(text);
    if (Array.isArray(body.Records)) {
      return body.Records.flatMap((record: { body?: string; attributes?: { ApproximateReceiveCount?: string } }) =>
        jobsIn(record.body ?? "", event).map((job) => ({ ...job, receives: Number(record.attributes?.ApproximateReceiveCount) })),
      );
    }
    const { room, shard, range } = body;
    if (typeof room !== "string" || !range) return [];
    const { ep, after, through } = range;
    return [{ room, ep, after, through, shard, at: event.at_ms, ...(event.request_id && { request: event.request_id }) }];
  } catch {
    return [];
  }
}

function matchJob(job: Job, publication: Tracked): void {
  const { position } = publication;
  if (!position || job.room !== publication.room || job.ep !== position.ep) return;
  if (position.seq <= job.after || position.seq > job.through) return;
  if (job.request) {
    publication.requests.set(job.request, "posted");
    const again = (job.receives ?? 1) > 1 ? `, receive ${job.receives}` : "";
    note(publication, "posted", { at: job.at, text: `fan-out of shard ${job.shard} begins${again}`, request: job.request });
  } else note(publication, "jobs", { at: job.at, text: `shard ${job.shard}, ${job.after} to ${job.through}` });
}

function readEvent(event: StackEvent): void {
  const { type, at_ms: at, body = "" } = event;
  if (type === "dropped") {
    watching.textContent = `${event.count} events were dropped: the stack is busy`;
    return;
  }
  if (type === "process_ended" && event.function === "fanout") {
    for (const publication of active()) {
      if (!publication.facts.has("heard")) note(publication, "posted", { at, text: `fan-out killed: ${event.reason}`, isBad: true });
    }
  }
  if (type === "process_started" && event.function === "fanout") {
    for (const publication of active()) {
      if (!publication.facts.has("heard")) note(publication, "posted", { at, text: "another fan-out process is there" });
    }
  }
  for (const publication of active()) {
    const { pid, requests } = publication;
    if (type === "invocation_ended" && event.request_id && requests.has(event.request_id)) {
      const isBad = event.status !== "success";
      const text = `${event.function} ended: ${event.status} in ${Math.round(event.duration_ms ?? 0)} ms`;
      note(publication, requests.get(event.request_id)!, { at, text, request: event.request_id, isBad });
    }
    if (!body.includes(pid)) continue;
    switch (type) {
      case "frame_received":
        note(publication, "received", { at, text: `route publish, connection ${event.connection_id}` });
        break;
      case "invocation_started": {
        const step: Step = event.function === "ingest" ? "accepted" : "sequenced";
        requests.set(event.request_id!, step);
        if (step === "sequenced") note(publication, step, { at, text: `${event.function} begins`, request: event.request_id! });
        break;
      }
      case "message_sent":
        note(publication, "queued", { at, text: `${event.queue}` });
        break;
      case "posted": {
        const isBad = event.outcome !== "delivered";
        if (!isBad && (publication.facts.get("posted")?.length ?? 0) >= LISTED) {
          publication.morePosts++;
          render();
        } else note(publication, "posted", { at, text: `${event.outcome}: ${event.connection_id}`, isBad });
      }
    }
  }
  if (type === "message_sent" || type === "invocation_started") {
    for (const job of jobsIn(body, event)) {
      if (type === "invocation_started" && job.room === victim?.room) void killNow();
      jobs.push(job);
      for (const publication of active()) matchJob(job, publication);
    }
    if (jobs.length > JOBS) jobs = jobs.slice(-JOBS / 2);
  }
}

// Publishing

async function ensureRoom(): Promise<Room<unknown>> {
  const wanted = `${user.value.trim()} ${roomName.value.trim()}`;
  if (room && identity === wanted && room.state !== "closed") return room;
  client?.close();
  identity = wanted;
  const name = user.value.trim();
  client = connect(await socketUrl(), { token: () => signToken(name), device: "publication" });
  client.on("state", ({ name, error }) => {
    if (name === "offline") output.textContent = `offline: ${error?.message ?? ""}`;
    if (name === "online") output.textContent = "";
  });
  room = client.join(roomName.value.trim());
  room.on("message", ({ pid, position }) => {
    const publication = tracked.find((publication) => publication.pid === pid);
    if (!publication) return;
    publication.position = position;
    note(publication, "heard", { at: now(), text: `position ${position.ep}/${position.seq}` });
    for (const job of jobs) matchJob(job, publication);
  });
  await room.joined;
  return room;
}

const now = (): number => performance.timeOrigin + performance.now();

/** The publication whose fan-out is killed. */
let victim: Tracked | undefined;
/** The faults that were set before this page slowed posts down. */
let faultsBefore: string | undefined;

async function restoreFaults(): Promise<void> {
  const before = faultsBefore;
  faultsBefore = undefined;
  if (before !== undefined) await setFaults(before);
}

async function killNow(): Promise<void> {
  if (!victim) return;
  victim = undefined;
  try {
    const killed = await killFunction("fanout");
    output.textContent =
      killed === null
        ? "no fan-out process ran"
        : `fan-out process ${killed} was killed in the middle. The job comes again after its visibility timeout, 30 s`;
  } catch (error) {
    output.textContent = `not killed: ${String(error)}`;
  }
}

/** Slows posts down, publishes, and kills the fan-out as soon as it has the job. */
async function publishAndKill(): Promise<void> {
  kill.disabled = true;
  try {
    await ensureRoom();
    faultsBefore = await readFaults();
    await setFaults([faultsBefore, SLOW_POSTS].filter(Boolean).join());
    await publish((publication) => (victim = publication));
    for (let waitedMs = 0; victim && waitedMs < SLOW_MS; waitedMs += 100) await new Promise((resolve) => setTimeout(resolve, 100));
    await killNow();
  } catch (error) {
    output.textContent = `not killed: ${String(error)}`;
  }
  await restoreFaults().catch((error: unknown) => (output.textContent = `the fault ${SLOW_POSTS} is still set: ${String(error)}`));
  kill.disabled = false;
}

async function publish(started: (publication: Tracked) => void = () => {}): Promise<void> {
  const text = input.value.trim() || "hello";
  try {
    const to = await ensureRoom();
    const publication: Tracked = {
      pid: crypto.randomUUID(),
      text,
      room: to.name,
      startedAt: now(),
      facts: new Map(),
      requests: new Map(),
      morePosts: 0,
    };
    tracked.unshift(publication);
    tracked.length = Math.min(tracked.length, KEPT);
    el("sent-empty").hidden = true;
    select(publication);
    started(publication);
    note(publication, "sent", { at: publication.startedAt, text: `publication ${publication.pid}` });
    try {
      const { repeated } = await to.publish({ text }, { pid: publication.pid });
      note(publication, "accepted", { at: now(), text: repeated ? "the answer is here: it was accepted before" : "the answer is here" });
    } catch (error) {
      publication.error = (error as RoomcastError).code;
      note(publication, "accepted", { at: now(), text: `refused: ${(error as RoomcastError).message}`, isBad: true });
    }
  } catch (error) {
    const remediation = error instanceof RoomcastError ? ` ${error.remediation}` : "";
    const why = error instanceof TypeError ? "the stack cannot be reached" : error instanceof Error ? error.message : String(error);
    output.textContent = `not published: ${why}.${remediation}`;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void publish();
});
kill.addEventListener("click", () => void publishAndKill());
addEventListener("pagehide", () => void restoreFaults());
readEvents(TYPES, wants, readEvent, (isOpen) => {
  watching.className = `dot ${isOpen ? "online" : "offline"}`;
  watching.textContent = isOpen ? "watching the stack" : "the stack does not answer; trying again";
});
