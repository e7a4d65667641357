import { pathToFileURL } from "node:url";

/** The package's folder: tests run there (scripts/test.mjs). */
export const PACKAGE = pathToFileURL(`${process.cwd()}/`);
export const REPOSITORY = new URL("../../", PACKAGE);
