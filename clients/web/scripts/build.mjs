// Builds dist/: one module a subpath, as ESM and CJS, with types for each. Prints the sizes and holds their limits.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minify } from "terser";
import { INTERNAL } from "./internal.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

/** Bytes of each subpath, bundled, minified and compressed as an application would. */
const LIMITS = { index: 10 * 1024, react: 1.5 * 1024, tabs: 3 * 1024 };

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}

const entries = Object.keys(LIMITS);
rmSync("dist", { recursive: true, force: true });
for (const format of ["esm", "cjs"]) {
  mkdirSync(`dist/${format}`, { recursive: true });
  writeFileSync(`dist/${format}/package.json`, `{ "type": "${format === "esm" ? "module" : "commonjs"}" }\n`);
  const { outputFiles } = await build({
    entryPoints: entries.map((name) => ({ in: `src/${name}.ts${name === "react" ? "x" : ""}`, out: name })),
    outdir: `dist/${format}`,
    bundle: true,
    write: false,
    format,
    target: "es2020",
    jsx: "automatic",
    external: ["react", "react/jsx-runtime", "roomcast"],
    sourcemap: "external",
    sourcesContent: true,
  });
  for (const name of entries) {
    const [map, js] = [".js.map", ".js"].map((ext) => outputFiles.find(({ path }) => path.endsWith(`/${name}${ext}`)));
    const { code, map: sourceMap } = await minify(js.text, {
      ecma: 2020,
      module: format === "esm",
      toplevel: format === "cjs",
      // Functions stay at the top: esbuild names arguments of inner functions apart from all of the outer ones.
      compress: { passes: 3, reduce_funcs: false },
      mangle: { properties: name === "index" ? { regex: INTERNAL, builtins: true } : false },
      sourceMap: { content: map.text, filename: `${name}.js`, url: `${name}.js.map` },
    });
    writeFileSync(`dist/${format}/${name}.js`, code);
    writeFileSync(`dist/${format}/${name}.js.map`, sourceMap);
  }
}
execFileSync("node_modules/.bin/tsc", ["-p", "tsconfig.types.json"], { stdio: "inherit" });
cpSync("dist/esm", "dist/cjs", { recursive: true, filter: (path) => !/\.js(\.map)?$|package\.json$/.test(path) });

/** What an application pays, when it bundles the module and minifies with esbuild or with terser. README.md has these sizes. */
const readme = readFileSync("README.md", "utf8");
for (const name of entries) {
  const options = { bundle: true, write: false, format: "esm", target: "es2020", external: ["react", "roomcast"] };
  const bundle = async (minify) => (await build({ ...options, entryPoints: [`dist/esm/${name}.js`], minify })).outputFiles[0].text;
  const { code } = await minify(await bundle(false), { ecma: 2020, module: true });
  const [esbuild, terser] = [await bundle(true), code].map((text) => gzipSync(text, { level: 9 }).length);
  const module = name === "index" ? "roomcast" : `roomcast/${name}`;
  console.log(`${module}: ${esbuild} bytes gzipped with esbuild, ${terser} with terser, at most ${LIMITS[name]}`);
  if (Math.max(esbuild, terser) > LIMITS[name]) fail(`${module} is too large`);
  const kilobytes = [esbuild, terser].map((bytes) => (bytes / 1024).toFixed(1));
  const row = `| \`${module}\` | ${kilobytes.join(" | ")} |`;
  if (!readme.includes(row)) fail(`README.md lacks the line: ${row}`);
}
