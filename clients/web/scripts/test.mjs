// Bundles the tests (TypeScript) and runs them: `node scripts/test.mjs unit [file…] [--test-name-pattern=…]`.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { INTERNAL } from "./internal.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const [kind = "unit", ...rest] = process.argv.slice(2);
const only = rest.filter((argument) => !argument.startsWith("--"));
const options = rest.filter((argument) => argument.startsWith("--"));
const folder = `${root}test/${kind}`;
const names = readdirSync(folder)
  .filter((name) => /\.test\.tsx?$/.test(name))
  .filter((name) => !only.length || only.some((part) => name.includes(part)));
await build({
  entryPoints: names.map((name) => `${folder}/${name}`),
  outdir: `${root}build/test/${kind}`,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  jsx: "automatic",
  packages: "external",
  sourcemap: "inline",
  // As in the published build: a name of the protocol that is renamed by mistake fails here. Tests quote such names in JSON.
  ...((kind === "unit" || kind === "traces") && { mangleProps: INTERNAL }),
  logLevel: "warning",
});
const outputs = names.map((name) => `${root}build/test/${kind}/${name.replace(/\.tsx?$/, ".mjs")}`);
const flags = ["--enable-source-maps", "--test", "--test-concurrency=2", ...options];
const { status } = spawnSync(process.execPath, [...flags, ...outputs], { stdio: "inherit", cwd: root });
process.exit(status ?? 1);
