import { againCheck, OVERALL } from "../../../core/report/index.ts";
import { judgedAgain, type Row, type Told } from "../../../core/writer/index.ts";
import type { DesiredCheck } from "../contracts.ts";
import { commitOf, placeOf, wishForCheck } from "./wish.ts";

/** A wish, as it is decided by whether another run has judged it again. */
export function told(row: Told["row"], check: DesiredCheck): Told {
  return {
    row,
    commit: commitOf(check),
    conclusion: check.status === "completed" ? check.conclusion : null,
    scope: check.scope ?? null,
  };
}

/** The rows that the rule looks at: a store in the object's database, see `Effects`. */
export type Checks = {
  /** Checks of a run; a few at most. */
  ofRun: (run: string) => Row[];
  /** Checks at a place, of whichever run. */
  at: (place: string) => Row[];
  check: (resource: string) => DesiredCheck;
};

/** The failing checks of older runs that a run's success undoes, each as it is to be shown now; null: never. */
export function undone(
  checks: Checks,
  newer: DesiredCheck,
): { older: Row; check: DesiredCheck | null }[] {
  if (newer.name !== OVERALL || newer.conclusion !== "success") return [];
  const by = told({ ...wishForCheck(newer), state: "idle", shownId: null }, newer);
  const own = new Set(checks.ofRun(newer.run).map(({ place }) => place));
  const found: { older: Row; check: DesiredCheck | null }[] = [];
  for (const run of newer.succeeds)
    for (const older of checks.ofRun(run)) {
      if (older.aggregate) continue;
      const check = checks.check(older.resource);
      const becomes = judgedAgain(by, told(older, check), own);
      if (becomes !== null)
        found.push({ older, check: becomes === "never" ? null : green(check, newer) });
    }
  return found;
}

/** Whether a newer run has undone what this check is about to say. */
export function isUndone(checks: Checks, check: DesiredCheck): boolean {
  const wished = wishForCheck(check);
  if (wished.aggregate) return false;
  const place = placeOf(check, OVERALL);
  const older = told({ ...wished, state: "idle", shownId: null }, check);
  return checks
    .at(place)
    .some((row) => judgedAgain(told(row, checks.check(row.resource)), older, new Set()) !== null);
}

/** Its time stays: the newest of a name by its completion is what GitHub shows, and another run's may be newer. */
function green(check: DesiredCheck, newer: DesiredCheck): DesiredCheck {
  const said = { title: check.title, summary: check.summary, url: check.detailsUrl };
  return {
    ...check,
    ...againCheck(said, { run: newer.run, url: newer.detailsUrl }),
    version: check.version + 1,
  };
}
