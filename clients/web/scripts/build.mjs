// Builds dist/: one module a subpath, as ESM and CJS, with types for each. Prints the sizes and holds their limits.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minify } from "terser";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

/** Properties that leave no module: they are renamed. */
const INTERNAL = readFileSync("scripts/internal-names.txt", "utf8").trim().split(/\s+/).join("|");
/** Bytes of each subpath, bundled, minified and compressed as an application would. */
const LIMITS = { index: 11 * 1024, react: 1.5 * 1024, tabs: 3 * 1024 };

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
      compress: { passes: 3 },
      mangle: { properties: name === "index" ? { regex: new RegExp(`^(${INTERNAL})$`) } : false },
      sourceMap: { content: map.text, filename: `${name}.js`, url: `${name}.js.map` },
    });
    writeFileSync(`dist/${format}/${name}.js`, code);
    writeFileSync(`dist/${format}/${name}.js.map`, sourceMap);
  }
}
execFileSync("node_modules/.bin/tsc", ["-p", "tsconfig.types.json"], { stdio: "inherit" });
cpSync("dist/esm", "dist/cjs", { recursive: true, filter: (path) => !/\.js(\.map)?$|package\.json$/.test(path) });

/** What an application pays: it bundles and minifies the package's module once more. README.md has these sizes. */
const readme = readFileSync("README.md", "utf8");
for (const name of entries) {
  const { outputFiles } = await build({
    entryPoints: [`dist/esm/${name}.js`],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2020",
    external: ["react", "react/jsx-runtime", "roomcast"],
  });
  const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  const kilobytes = (bytes / 1024).toFixed(1);
  console.log(`roomcast${name === "index" ? "" : `/${name}`}: ${bytes} bytes gzipped, at most ${LIMITS[name]}`);
  if (bytes > LIMITS[name]) fail(`${name} is too large`);
  const stated = name === "index" ? `0.1.0 | ${kilobytes} |` : `\`roomcast/${name}\` is ${kilobytes} KB`;
  if (!readme.includes(stated)) fail(`README.md does not state that ${name} has ${kilobytes} KB`);
}
