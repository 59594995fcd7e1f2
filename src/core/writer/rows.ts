import type { RunId } from "../../protocol/identifiers.ts";

/**
 * What a row makes GitHub show. `check`: a check run. `sticky`: the one comment of a pull request that is edited.
 * `comment`: a new one, said once. `reaction`: to a comment; asking for it twice makes one. `deployment`: of one machine, with
 * a status for each version. `issue`: one that is kept up to date, closed and opened again.
 */
export type Kind = "check" | "sticky" | "comment" | "reaction" | "deployment" | "issue";

/** One resource on its way to GitHub. The body is kept apart: planning needs none of it. */
export type Row = {
  resource: string;
  kind: Kind;
  /** The run that a check belongs to; null for the others. */
  run: RunId | null;
  /** Where it is shown: repository, commit and name of a check; the resource itself for the others. */
  place: string;
  /** The overall check: completed after every other one of its run, because people and branch protection wait for it. */
  last: boolean;
  /** Its run gives way to another of the same commit, which may take the check run over. */
  yields: boolean;
  /** Runs of the same commit that gave way to this one, or were over before it, as the Repo decided. */
  succeeds: RunId[];
  /** When the newest wish came (ms). */
  wishedAt: number;
  /** One of the checks that always come; served first, from a reserved part of the budget. */
  aggregate: boolean;
  /** Newest wish: its version, whether it is completed, how many annotations it has. */
  version: number;
  terminal: boolean;
  annotations: number;
  /** What GitHub shows: its id there, version (0: none), annotations that arrived. */
  shownId: number | null;
  shown: number;
  annotated: number;
  /**
   * `idle`: nothing on its way. `sending`: a request is. `unknown`: one went out, and whether it had effect is to be
   * looked up before anything else. `parked`: GitHub refused it for good; a newer wish tries again. `retired`: another run has taken its check run over, nothing is sent any more.
   */
  state: "idle" | "sending" | "unknown" | "parked" | "retired";
  /** Lookups in a row that found nothing; failures in a row. */
  lookups: number;
  failures: number;
  /** Not before (ms). */
  dueAt: number;
};

export type Action = {
  resource: string;
  kind: "create" | "update" | "lookup";
  version: number;
  annotated: number;
};

/** What an action came to. */
export type Outcome =
  /** GitHub has it: up to which annotation. */
  | { kind: "shown"; shownId: number; annotated: number }
  /** A lookup found it, with this many annotations; what it shows is not trusted and sent again. */
  | { kind: "found"; shownId: number; annotated: number }
  | { kind: "absent" }
  /** Sent, and no answer says whether it had effect. */
  | { kind: "unknown" }
  /** Refused before it had effect, because of a limit. */
  | { kind: "limited" }
  /** Refused for good. */
  | { kind: "refused" };

/** What the installation may still send. Times in ms. */
export type Gate = {
  /** Nothing at all before. */
  pausedUntil: number;
  /** GitHub's primary limit as last told; null: not known. */
  remaining: number | null;
  resetAt: number;
  /** Content-creating requests: a token bucket. */
  tokens: number;
  filledAt: number;
};
