// Measures the pages of the local stack in Chromium while a room of 5,000 members has 50 publications a second: frame times, long
// tasks, and the heap. `node scripts/measure-pages.mjs [seconds]` prints the numbers, and exits with 1 beyond the limits below.
//
// The feed is made by scripts/feed.mjs: two cores that also carry 5,000 members have nothing left for a browser.
import { chromium } from "playwright-core";
import { origin } from "./feed.mjs";

const SECONDS = Number(process.argv[2] ?? 20);

/**
 * A page that takes half of its thread answers a key at once. Frames and long tasks are printed, and say as much of the machine as of
 * the page: the time of the thread does not count what others take.
 */
const LIMITS = { busyShare: 0.5, heapGrownBytes: 8 * 1024 * 1024 };

/** Runs in the page. */
function watch() {
  const watched = (globalThis.watched = { frames: [], tasks: [] });
  let last = performance.now();
  const frame = (now) => {
    watched.frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => watched.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ entryTypes: ["longtask"] });
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

async function measure(name, path, prepare) {
  const page = await (await browser.newContext({ viewport: { width: 1920, height: 1080 } })).newPage();
  await page.goto(origin + path);
  await prepare(page);
  const session = await page.context().newCDPSession(page);
  const heap = async () => {
    await session.send("HeapProfiler.collectGarbage");
    return (await session.send("Runtime.getHeapUsage")).usedSize;
  };
  // Lists are full, and code is compiled.
  await page.waitForTimeout(8_000);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const busyS = async () => (await session.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value;
  const before = await heap();
  const busyBefore = await busyS();
  await page.evaluate(watch);
  await page.waitForTimeout(SECONDS * 1_000);
  const { frames, tasks } = await page.evaluate(() => watched);
  const busy = ((await busyS()) - busyBefore) / SECONDS;
  const grown = (await heap()) - before;
  frames.sort((one, other) => one - other);
  const at = (share) => frames[Math.min(frames.length - 1, Math.floor(frames.length * share))];
  const longest = Math.max(0, ...tasks);
  const blocked = tasks.reduce((sum, ms) => sum + ms - 50, 0) / (SECONDS * 1_000);
  const round = (number) => number.toFixed(1);
  console.log(
    `${name}: its thread is busy ${round(busy * 100)} % of the time; ${round(frames.length / SECONDS)} frames/s, p50 ${round(at(0.5))} ms, p99 ${round(at(0.99))} ms, longest ${round(at(1))} ms; ` +
      `${tasks.length} long tasks, longest ${round(longest)} ms, blocked ${round(blocked * 100)} %; heap ${round(before / 2 ** 20)} MiB, grown by ${round(grown / 2 ** 20)} MiB`,
  );
  const measured = { busyShare: busy, heapGrownBytes: grown };
  for (const [limit, most] of Object.entries(LIMITS)) {
    if (measured[limit] <= most) continue;
    console.log(`  ${limit} is ${measured[limit]}, at most ${most}`);
    process.exitCode = 1;
  }
  await page.context().close();
}

const join = async (page) => {
  for (const side of [0, 1]) {
    const pane = page.locator(`#pane-${side}`);
    await pane.getByRole("button", { name: "Join as guest" }).click();
    await pane.locator(".composer input:enabled").waitFor();
  }
};
await measure("chat", "/", join);
await measure("chat, frames open", "/", async (page) => {
  await join(page);
  for (const summary of await page.locator(".frames > summary").all()) await summary.click();
});
await measure("publication", "/publication.html", async (page) => {
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.locator(".step.done").first().waitFor();
});
await measure("inspector", "/_local/", (page) => page.getByText("live").waitFor());
await measure("inspector, posts too", "/_local/", (page) => page.getByLabel("posts").check());
await browser.close();
process.exit();
