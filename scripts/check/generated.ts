import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Gate } from "./gate.ts";
import { generateAll } from "./generators.ts";

/** Generated files are what their generators make of the sources now. */
export const generated: Gate = {
  name: "generated",
  async run({ root }) {
    const problems: string[] = [];
    for (const { path, content } of await generateAll(root)) {
      const present = await readFile(join(root, path), "utf8").catch(() => undefined);
      if (present !== content) {
        problems.push(`${path}: ${present === undefined ? "missing" : "stale"} (npm run generate)`);
      }
    }
    return problems;
  },
};
