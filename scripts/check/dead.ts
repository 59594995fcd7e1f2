import type { Gate } from "./gate.ts";
import { problemsOf } from "./execute.ts";

/** Files, exports and dependencies that nothing uses, and dependencies nobody declared. */
export const dead: Gate = {
  name: "dead",
  run: ({ root }) => problemsOf("knip", ["--no-progress", "--no-config-hints"], root),
};
