import { mayWrite } from "../trust/role.ts";
import type { Asked, Facts } from "./command.ts";
import type { Declaration } from "./declaration.ts";
import { argumentsOf } from "./grammar.ts";

/** How long (ms) a head must have been recorded before a comment that does not name it: its author has seen this one. */
export const SEEN_BEFORE = 60_000;

export type Bound =
  /** Null where the command is about no commit. */
  | { kind: "bound"; sha: string | null }
  | { kind: "moved"; named: string }
  /** It must be named. */
  | { kind: "unnamed"; because: "fork" | "not-a-writer" | "new" };

/** Which commit a command is about: one that whoever gave it has seen, and that stands now. */
export function bind(
  asked: Asked,
  declaration: Declaration,
  facts: Pick<Facts, "role" | "policy">,
  pull: NonNullable<Facts["pull"]>,
): Bound {
  const typed = argumentsOf(declaration, asked.command.arguments).sha;
  const moved = [asked.sha, typed].find((sha) => sha !== null && sha !== pull.head);
  if (typeof moved === "string") return { kind: "moved", named: moved };
  if (declaration.binding === "none") return { kind: "bound", sha: null };
  if (asked.sha !== null || typed !== null) return { kind: "bound", sha: pull.head };
  if (pull.fork) return { kind: "unnamed", because: "fork" };
  if (!mayWrite(facts.role, facts.policy.writers))
    return { kind: "unnamed", because: "not-a-writer" };
  const seen = pull.headSeenAt !== null && pull.headSeenAt <= asked.at - SEEN_BEFORE;
  return seen && asked.via === "comment"
    ? { kind: "bound", sha: pull.head }
    : { kind: "unnamed", because: "new" };
}
