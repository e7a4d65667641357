/** The local stack as a process of the test, a network in front of it, and pages in Chromium. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, chromium, type CDPSession, type Page } from "playwright-core";
import { REPOSITORY } from "../paths.js";

const repository = fileURLToPath(REPOSITORY);

/** Where the built programs are. */
const folder = (): string => process.env.ROOMCAST_BIN_DIR ?? join(repository, "target/debug");

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until something holds. */
export async function until(what: string, holds: () => unknown, withinMs = 10_000): Promise<void> {
  const end = Date.now() + withinMs;
  for (;;) {
    if (await holds()) return;
    if (Date.now() > end) throw new Error(`within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The local stack; it keeps its tables over a restart. */
export class Stack {
  private process: ChildProcess | undefined;
  /** Where the pages are, as the banner states it. */
  pages = "";
  private readonly data = mkdtempSync(join(tmpdir(), "roomcast-browser-"));

  private constructor(
    readonly port: number,
    readonly awsPort: number,
  ) {}

  static async start(): Promise<Stack> {
    const stack = new Stack(await freePort(), await freePort());
    await stack.start();
    return stack;
  }

  async start(): Promise<void> {
    const runner = join(folder(), "roomcast-local");
    if (!existsSync(runner)) throw new Error(`${runner} is missing: run \`cargo build\` first`);
    const ready = join(this.data, "ready.json");
    rmSync(ready, { force: true });
    const ports = ["--ws-port", String(this.port), "--aws-port", String(this.awsPort)];
    const args = ["--bin-dir", folder(), ...ports, "--data", join(this.data, "tables"), "--ready-file", ready];
    const child = spawn(runner, args, { cwd: repository, stdio: ["ignore", "ignore", "pipe"] });
    this.process = child;
    let log = "";
    child.stderr.on("data", (text) => {
      log = (log + text).slice(-10_000);
      this.pages = /^ *Page +(\S+)/m.exec(log)?.[1] ?? this.pages;
    });
    await until("the stack is ready", () => {
      if (child.exitCode !== null) throw new Error(`the stack ended with ${child.exitCode}: ${log}`);
      return existsSync(ready) && this.pages;
    }, 60_000);
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.process!;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  /** Runs the load test against the stack. */
  async load(...options: string[]): Promise<{ code: number | null; log: string }> {
    const args = [...options, "--url", `ws://127.0.0.1:${this.port}/local`, "--drain", "20"];
    const child = spawn(join(folder(), "roomcast-load"), args, { cwd: repository, stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    for (const output of [child.stdout, child.stderr]) output.on("data", (text) => (log += text));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, log };
  }

  /** Kills the processes of a function: the runner starts another one. */
  killFunction(name: string): number {
    const processes = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).map(Number);
    const read = (pid: number, file: string): string => {
      try {
        return readFileSync(`/proc/${pid}/${file}`, "utf8");
      } catch {
        return "";
      }
    };
    const parentOf = new Map(processes.map((pid) => [pid, Number(/\) \S (\d+)/.exec(read(pid, "stat"))?.[1])]));
    const isOurs = (pid: number | undefined): boolean => !!pid && (pid === this.process!.pid || isOurs(parentOf.get(pid)));
    const ours = processes.filter((pid) => isOurs(pid) && read(pid, "comm").trim() === name);
    for (const pid of ours) process.kill(pid, "SIGKILL");
    return ours.length;
  }
}

/** A network between pages and the stack: it can stop carrying, and cut. */
export class Network {
  readonly sockets = new Set<Socket>();
  private readonly carried = new Map<Socket, Socket>();
  /** When each connection from a page ended. */
  readonly ended: number[] = [];
  opened = 0;
  private server!: Server;
  port!: number;

  static async start(target: number): Promise<Network> {
    const network = new Network();
    network.server = createTcpServer((client) => {
      network.opened++;
      network.sockets.add(client);
      const upstream = connectTcp(target, "127.0.0.1");
      network.carried.set(client, upstream);
      // The gateway answers to its own name only.
      client.once("data", (handshake) => {
        upstream.write(handshake.toString("latin1").replace(/^host: .*$/im, `Host: 127.0.0.1:${target}`), "latin1");
        client.pipe(upstream).pipe(client);
      });
      const end = (): void => {
        if (network.sockets.delete(client)) network.ended.push(Date.now());
        network.carried.delete(client);
        client.destroy();
        upstream.destroy();
      };
      for (const socket of [client, upstream]) socket.on("error", end).on("close", end).on("end", end);
    });
    await new Promise<void>((resolve) => network.server.listen(0, "127.0.0.1", resolve));
    network.port = (network.server.address() as { port: number }).port;
    return network;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/local`;
  }

  /** Connections that are there carry nothing any more, and neither side is notified. */
  blackhole(): void {
    for (const socket of [...this.carried].flat()) {
      socket.unpipe();
      socket.pause();
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Pages of one origin, in Chromium with its back/forward cache. */
export class Pages {
  private constructor(
    private readonly server: HttpServer,
    readonly browser: Browser,
    readonly origin: string,
  ) {}

  static async start(): Promise<Pages> {
    const { outputFiles } = await build({
      entryPoints: [join(process.cwd(), "test/browser/page.tsx")],
      bundle: true,
      write: false,
      format: "iife",
      jsx: "automatic",
      define: { "process.env.NODE_ENV": '"development"' },
    });
    const script = outputFiles[0]!.text;
    const server = createHttpServer((request, response) => {
      const isScript = request.url!.startsWith("/page.js");
      response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
      response.end(isScript ? script : '<!doctype html><meta charset="utf-8"><div id="root"></div><script src="/page.js"></script>');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox"],
      ignoreDefaultArgs: ["--disable-back-forward-cache"],
    });
    return new Pages(server, browser, `http://127.0.0.1:${port}`);
  }

  async stop(): Promise<void> {
    await this.browser.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A page beside Playwright, which emulates focus and so never lets a page be hidden or frozen. */
export class RawPage {
  private next = 1;

  private constructor(
    private readonly session: CDPSession,
    private readonly sessionId: string,
    private readonly targetId: string,
  ) {}

  static async open(browser: Browser, url: string): Promise<RawPage> {
    const session = await browser.newBrowserCDPSession();
    const { targetId } = await session.send("Target.createTarget", { url });
    const { sessionId } = await session.send("Target.attachToTarget", { targetId, flatten: false });
    const page = new RawPage(session, sessionId, targetId);
    await until("the page has its script", () => page.evaluate(() => "probe" in globalThis));
    return page;
  }

  async send(method: string, params: object = {}): Promise<any> {
    const id = this.next++;
    const answer = new Promise<any>((resolve) => {
      const read = ({ sessionId, message }: { sessionId: string; message: string }): void => {
        const answer = JSON.parse(message);
        if (sessionId !== this.sessionId || answer.id !== id) return;
        this.session.off("Target.receivedMessageFromTarget", read);
        resolve(answer.result);
      };
      this.session.on("Target.receivedMessageFromTarget", read);
    });
    const message = JSON.stringify({ id, method, params });
    await this.session.send("Target.sendMessageToTarget", { sessionId: this.sessionId, message });
    return answer;
  }

  async evaluate<Result, Argument = undefined>(run: (argument: Argument) => Result, argument?: Argument): Promise<Awaited<Result>> {
    const expression = `(${run})(${JSON.stringify(argument)})`;
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  setState(state: "frozen" | "active"): Promise<void> {
    return this.send("Page.setWebLifecycleState", { state });
  }

  async close(): Promise<void> {
    await this.session.send("Target.closeTarget", { targetId: this.targetId });
    await this.session.detach();
  }
}

export type { Page };
