import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Gate } from "./gate.ts";

/** What no tracked file may say, whatever its language. */
const bans: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    // Where packages come from is the machine's own configuration.
    pattern:
      /\b(registry\.(npmjs\.org|yarnpkg\.com)|npm\.pkg\.github\.com|(deb|security|snapshot|ftp)(\.[a-z]+)?\.debian\.org|archive\.ubuntu\.com|proxy\.golang\.org|(static\.|index\.)?crates\.io|pypi\.org|files\.pythonhosted\.org|rubygems\.org)\b/,
    why: "names a package registry's host; clients take it from the machine's configuration",
  },
  {
    pattern: /(?<![\w.-])\/(work\/(main|shared|\.mirror|\.library)|Users\/[a-z])/,
    why: "holds an absolute path of somebody's machine",
  },
  {
    pattern: /(ox|es)lint-disable(?!.* -- \S)/,
    why: "switches a lint rule off without a reason (write `-- why` behind it)",
  },
  {
    pattern: /@ts-(ignore|nocheck)\b|@ts-expect-error\s*(\*\/)?$/,
    why: "switches the type checker off without a reason",
  },
];

export const text: Gate = {
  name: "text",
  async run({ root, files }) {
    const problems: string[] = [];
    for (const file of files) {
      const bytes = await readFile(join(root, file));
      if (bytes.includes(0)) continue;
      const lines = bytes.toString("utf8").split("\n");
      for (const { pattern, why } of bans) {
        const line = lines.findIndex((content) => pattern.test(content));
        if (line >= 0) problems.push(`${file}:${line + 1}: ${why}`);
      }
    }
    return problems;
  },
};
