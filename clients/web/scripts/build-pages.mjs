// Builds pages/built/, which is committed: a newcomer without Node sees the pages. `--check` fails if it is stale.
import { build } from "esbuild";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { outputFiles } = await build({
  entryPoints: ["pages/src/chat.ts", "pages/src/publication.ts", "pages/src/style.css"],
  outdir: "pages/built",
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: ["es2022", "chrome120", "firefox120", "safari17"],
});
const files = outputFiles.map(({ path, text }) => [path.split("/").pop(), text]);
for (const name of ["index.html", "publication.html"]) files.push([name, readFileSync(`pages/src/${name}`, "utf8")]);
mkdirSync("pages/built", { recursive: true });
for (const [name, text] of files) {
  const path = `pages/built/${name}`;
  if (!process.argv.includes("--check")) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
    console.error(`${path} is stale: run \`npm run build:pages\``);
    process.exitCode = 1;
  }
}
