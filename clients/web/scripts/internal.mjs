// Properties that leave no module: the published build renames them, and so do the tests of the rules.
import { readFileSync } from "node:fs";

const names = readFileSync(new URL("internal-names.txt", import.meta.url), "utf8").trim().split(/\s+/);
export const INTERNAL = new RegExp(`^(${names.join("|")})$`);
