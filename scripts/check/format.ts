import type { Gate } from "./gate.ts";
import { problemsOf } from "./execute.ts";

export const format: Gate = {
  name: "format",
  async run({ root }) {
    const problems = await problemsOf("oxfmt", ["--list-different", "."], root);
    return problems.map((files) => `not formatted (npm run format):\n${files}`);
  },
};
