import { mayWrite } from "../trust/role.ts";
import type { Asked, CommandName, Facts } from "./command.ts";
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

/** Commands that may be about the default branch instead of the pull request they are said at. */
const OF_BRANCH: ReadonlySet<CommandName> = new Set(["plan", "deploy", "confirm"]);

/**
 * The default branch's head, where a comment names that in full. Whatever becomes of the pull request it is said at, it is
 * the branch that is meant, and a branch that moved on is not.
 */
export function branchNamed(
  asked: Asked,
  declaration: Declaration,
  { branch, pull }: Pick<Facts, "branch" | "pull">,
): string | null {
  if (asked.via !== "comment" || !OF_BRANCH.has(declaration.name)) return null;
  const { sha } = argumentsOf(declaration, asked.command.arguments);
  return sha !== null && sha === branch && sha !== pull?.head ? sha : null;
}

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
