/** The packed package, as applications install it. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import vm from "node:vm";

const root = process.cwd();
const bin = (name: string): string => join(root, "node_modules/.bin", name);
let tarball: string;
let consumer: string;

function run(command: string, args: string[], cwd: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: "pipe" });
  } catch (error: any) {
    throw new Error(`${command} ${args.join(" ")}\n${error.stdout}\n${error.stderr}`);
  }
}

before(() => {
  const folder = mkdtempSync(join(tmpdir(), "roomcast-package-"));
  run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], root);
  tarball = join(folder, readdirSync(folder)[0]!);
  consumer = join(folder, "consumer");
  mkdirSync(consumer);
  writeFileSync(join(consumer, "package.json"), '{ "private": true, "type": "module" }');
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--legacy-peer-deps", tarball], consumer);
  for (const name of ["react", "react-dom", "scheduler", "@types", "csstype", "undici-types"]) {
    symlinkSync(join(root, "node_modules", name), join(consumer, "node_modules", name));
  }
  cpSync(join(root, "test/consumers"), consumer, { recursive: true });
});

test("the tarball has the built files, the README and nothing else", () => {
  const files = run("tar", ["-tzf", tarball], root).trim().split("\n").map((name) => name.replace("package/", ""));
  assert.deepEqual(files.filter((name) => !name.startsWith("dist/")).sort(), ["README.md", "package.json"]);
  for (const format of ["esm", "cjs"]) {
    for (const name of ["index", "react", "tabs"]) {
      assert.ok(files.includes(`dist/${format}/${name}.js`) && files.includes(`dist/${format}/${name}.d.ts`));
    }
  }
});

test("publint and arethetypeswrong find nothing", () => {
  run(bin("publint"), ["--strict", tarball], root);
  run(bin("attw"), [tarball], root);
});

for (const file of ["esm.mjs", "cjs.cjs", "ssr.mjs"]) {
  test(`a consumer runs: ${file}`, () => void run(process.execPath, [file], consumer));
}

test("a consumer compiles with TypeScript, as ESM and as CommonJS", () => {
  const compilerOptions = {
    module: "nodenext",
    target: "es2020",
    lib: ["es2020", "dom"],
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: [],
  };
  const files = ["typed.ts", "typed-cjs.cts"];
  writeFileSync(join(consumer, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  run(bin("tsc"), ["-p", "."], consumer);
});

test("a host without DOM, timers, crypto or performance imports it, and creates a client", () => {
  for (const name of ["index", "tabs"]) {
    const module = { exports: {} as any };
    const code = readFileSync(join(root, `dist/cjs/${name}.js`), "utf8");
    vm.runInNewContext(code, { module, exports: module.exports });
    if (name === "index") assert.equal(module.exports.connect("ws://h").state.name, "connecting");
    else assert.equal(typeof module.exports.tabs(), "function");
  }
});

test("a worker imports it", () => {
  const code = `
    import { Worker } from "node:worker_threads";
    const worker = new Worker('import("roomcast").then(({ connect }) => connect("ws://h"))', { eval: true });
    worker.on("error", () => process.exit(1));`;
  run(process.execPath, ["--input-type=module", "-e", code], consumer);
});
