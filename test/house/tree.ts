import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Tree } from "../../scripts/check/gate.ts";
import { readTree } from "../../scripts/check/tree.ts";

const checkout = join(import.meta.dirname, "../..");

/** The rules under test are the project's own. */
const configuration = [
  "tsconfig.json",
  "tsconfig.base.json",
  "tsconfig.core.json",
  "tsconfig.bot.json",
  "tsconfig.test-bot.json",
  "tsconfig.node.json",
  ".oxlintrc.json",
  ".oxfmtrc.json",
  ".gitignore",
];

/** A little project that keeps every rule: one file for each part that a rule speaks of. */
const clean: Readonly<Record<string, string>> = {
  "package.json": `${JSON.stringify({ name: "little", private: true, type: "module", dependencies: { zod: "*", hono: "*", execa: "*" } }, null, 2)}\n`,
  "knip.json": `{
  "entry": ["src/bot/worker.ts", "src/runner/main.ts"],
  "project": ["src/**/*.ts"]
}
`,
  "src/protocol/frame.ts": `import * as z from "zod";\n\nexport const frame = z.object({ sequence: z.number() });\n`,
  "src/core/decide.ts": `import { frame } from "../protocol/frame.ts";\n\nexport const decide = (now: number) => frame.parse({ sequence: now });\n`,
  "src/bot/worker.ts": `import { Hono } from "hono";\nimport { decide } from "../core/decide.ts";\n\nexport default new Hono().get("/", (context) => context.json(decide(Date.now())));\n`,
  "src/runner/main.ts": `import { start } from "./process/start.ts";\n\nawait start();\n`,
  "src/runner/process/start.ts": `import { execa } from "execa";\n\nexport const start = async () => await execa("true");\n`,
  "docs/GUIDE.md": "See [the decision](../src/core/decide.ts).\n",
};

/**
 * Makes a checkout of its own under the system's temporary folder: the clean project, with
 * `planted` on top.
 */
export async function plant(planted: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), "snowcat-house-"));
  for (const name of configuration) cpSync(join(checkout, name), join(root, name));
  // The project's .gitignore speaks of a folder; this is a link.
  symlinkSync(join(checkout, "node_modules"), join(root, "node_modules"));
  for (const [name, content] of Object.entries({ ...clean, ...planted })) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  execFileSync("git", ["init", "--quiet", root]);
  writeFileSync(join(root, ".git/info/exclude"), "node_modules\n");
  const tree: Tree = await readTree(root);
  return { tree, remove: () => rmSync(root, { recursive: true, force: true }) };
}
