import type { Gate } from "./gate.ts";
import { problemsOf } from "./execute.ts";

/** One compilation for each environment that code runs in. */
const projects = [
  "tsconfig.core.json",
  "tsconfig.bot.json",
  "tsconfig.test-bot.json",
  "tsconfig.node.json",
];

export const types: Gate = {
  name: "types",
  async run({ root }) {
    const found = await Promise.all(
      projects.map(async (project) => {
        const problems = await problemsOf("tsc", ["--project", project, "--pretty", "false"], root);
        return problems.filter((problem) => !isEmptyProject(problem));
      }),
    );
    return found.flat();
  },
};

/** TS18003: no file in the project's folders (a fresh part of the tree has none yet). */
function isEmptyProject(problem: string): boolean {
  return problem.startsWith("error TS18003") && !problem.includes("\n");
}
