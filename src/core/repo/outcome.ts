import type { CommandOutcome } from "./rows.ts";

export function done(text: string): CommandOutcome {
  return { kind: "done", code: null, text };
}

export function refused(why: NonNullable<CommandOutcome["code"]>, text: string): CommandOutcome {
  return { kind: "refused", code: why, text };
}
