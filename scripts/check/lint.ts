import type { Gate } from "./gate.ts";
import { problemsOf } from "./execute.ts";

export const lint: Gate = {
  name: "lint",
  run: ({ root }) =>
    problemsOf("oxlint", ["--format", "unix", "--report-unused-disable-directives", "."], root),
};
