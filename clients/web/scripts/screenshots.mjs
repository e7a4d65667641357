// Takes pictures of the pages, to be looked at: narrow and wide, dark and light, empty, busy, and without a stack.
// `node scripts/screenshots.mjs FOLDER`
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { origin, sockets } from "./feed.mjs";

const folder = process.argv[2] ?? "build/screenshots";
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

const join = async (page) => {
  await page.locator("#pane-0").getByRole("button", { name: "Sign a token and join" }).click();
  await page.locator("#pane-0 .composer input:enabled").waitFor();
};
const publish = async (page) => {
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.locator(".step.done").first().waitFor();
  await page.waitForTimeout(1_500);
};
const fails = (path) => (page) => page.route(path, (route) => route.abort());

const STATES = [
  ["chat-empty", "/", async () => {}],
  ["chat-busy", "/", async (page) => {
    await join(page);
    await page.locator("#pane-0 .composer input").fill("a line of my own");
    await page.keyboard.press("Enter");
    await page.locator("#pane-0 .frames > summary").click();
    await page.waitForTimeout(3_000);
  }],
  ["chat-offline", "/", async (page) => {
    await join(page);
    await page.waitForTimeout(1_000);
    await page.context().setOffline(true);
    for (const socket of sockets) socket.terminate();
    await page.locator("#pane-0 .dot.offline").waitFor();
  }],
  ["chat-error", "/", async (page) => {
    await page.locator("#pane-0").getByRole("button", { name: "Sign a token and join" }).click();
    await page.getByText("cannot be reached").waitFor();
  }, fails("**/_local/config")],
  ["publication-empty", "/publication.html", (page) => page.getByText("watching the stack").waitFor()],
  ["publication-done", "/publication.html", publish],
  ["publication-error", "/publication.html", async (page) => {
    await page.getByRole("button", { name: "Publish", exact: true }).click();
    await page.getByText("not published").waitFor();
  }, fails("**/_local/*")],
  ["inspector-busy", "/_local/", (page) => page.waitForTimeout(2_000)],
];

for (const [name, path, prepare, before] of STATES) {
  for (const width of [360, 1920]) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport: { width, height: width === 360 ? 740 : 1080 }, colorScheme });
      const page = await context.newPage();
      await before?.(page);
      await page.goto(origin + path);
      await prepare(page);
      await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png` });
      // Nothing may be wider than the screen.
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) {
        console.error(`${name} is ${over} px wider than ${width} px`);
        process.exitCode = 1;
      }
      await context.close();
    }
  }
}
await browser.close();
process.exit();
