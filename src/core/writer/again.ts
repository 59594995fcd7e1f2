import type { RunId } from "../../protocol/identifiers.ts";
import type { Row } from "./rows.ts";

/** What a run judges: what runs replace each other for, and what somebody asked for beside its set. */
export type Scope = { subject: string; also: string[] };

/** A check, and what its wish says of it. Wishes of earlier releases have no scope. */
export type Told = {
  row: Pick<
    Row,
    "kind" | "run" | "place" | "last" | "aggregate" | "terminal" | "succeeds" | "state" | "shownId"
  >;
  /** Repository and commit. */
  commit: string;
  conclusion: string | null;
  scope: Scope | null;
};

/**
 * What becomes of a failing check of an older run when a newer one of the same commit and subject has succeeded as a
 * whole: GitHub would show it red beside the green `snowcat` for ever, because the newer run has no check of that name.
 * `green`: it is shown as judged again. `never`: nobody has seen it, and nobody need. Null: it stays as it is.
 *
 * This is the only rule by which a completed check says anything else because of another run. It reads one fact, that
 * the newer run's own overall check is completed with success, and it touches no aggregate.
 *
 * @param own places at which the newer run says something itself
 */
export function judgedAgain(
  newer: Told,
  older: Told,
  own: ReadonlySet<string>,
): "green" | "never" | null {
  const { row } = older;
  if (!stands(newer, row.run, older.commit, older.scope)) return null;
  if (row.kind !== "check" || row.aggregate || row.state === "retired" || own.has(row.place))
    return null;
  if (!row.terminal || older.conclusion === "success") return null;
  const unseen = row.shownId === null && (row.state === "idle" || row.state === "parked");
  return unseen ? "never" : "green";
}

/** Whether a newer run has succeeded in the place of this one, with everything that this one was about. */
function stands(newer: Told, run: RunId | null, commit: string, scope: Scope | null): boolean {
  const { row } = newer;
  return (
    row.kind === "check" &&
    row.state !== "retired" &&
    row.last &&
    row.terminal &&
    newer.conclusion === "success" &&
    newer.commit === commit &&
    run !== null &&
    row.succeeds.includes(run) &&
    newer.scope !== null &&
    scope !== null &&
    newer.scope.subject === scope.subject &&
    scope.also.every((one) => newer.scope?.also.includes(one))
  );
}
