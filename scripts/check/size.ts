import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Gate } from "./gate.ts";

/** Lines. A file that needs more does two things. */
const limit = 400;

export const size: Gate = {
  name: "size",
  async run({ root, files }) {
    const problems: string[] = [];
    for (const file of files) {
      if (!/\.(ts|tsx|mts|mjs|js|nix|sql)$/.test(file) || file.includes("/fixtures/")) continue;
      const lines = (await readFile(join(root, file), "utf8")).split("\n").length - 1;
      if (lines > limit) problems.push(`${file}: ${lines} lines, the limit is ${limit}`);
    }
    return problems;
  },
};
