/** The program that runs on machines, from its parts. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Generator } from "../check/generators.ts";

const folder = "src/runner/machine/program";

export const generate: Generator = async (root) => {
  const names = (await readdir(join(root, folder))).filter((name) => name.endsWith(".sh"));
  const parts = await Promise.all(
    names.toSorted().map((name) => readFile(join(root, folder, name), "utf8")),
  );
  return [
    {
      path: "src/runner/machine/text.ts",
      content: [
        `/** Generated from ${folder} by \`npm run generate\`: POSIX sh. */`,
        `export const PROGRAM = Buffer.from(\n  "${Buffer.from(shortened(parts.join(""))).toString("base64")}",\n  "base64",\n);`,
        "",
      ].join("\n"),
    },
  ];
};

/** It travels with each connection and is read byte by byte there: without comments and indentation. */
function shortened(text: string): string {
  const lines = text.split("\n").map((line) => line.trimStart());
  return `${lines.filter((line) => line !== "" && !line.startsWith("#")).join("\n")}\n`;
}
