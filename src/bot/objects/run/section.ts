import {
  type Impact,
  impactSection,
  type ImpactState,
  type ShownMachine,
} from "../../../core/impact/index.ts";
import type { MachineDifference } from "../../../protocol/impact.ts";
import { type Context, header, repo } from "./context.ts";
import { planFor } from "./deploy/plan.ts";
import { pageOf } from "./links.ts";
import type { Store } from "./store.ts";

/** Of a plan in the comment, which has other parts. */
const PLAN_BYTES = 20_000;

/** How the run stands to its base now; null where nothing is known yet, or there is nobody to tell. */
export function impactNow({ store, env }: Context): Impact | null {
  const run = store.header();
  if (run === null || run.impact?.wanted !== true || run.impact.state === "pending") return null;
  const { impact } = run;
  const state: ImpactState =
    impact.state === "unknown"
      ? { kind: "unknown", why: impact.why ?? "" }
      : { kind: "compared", looking: impact.looked === "looking", left: impact.left };
  return {
    base: impact.base,
    built: run.built ?? run.head,
    state,
    difference: run.differs && { ...run.differs, names: store.differences() },
    machines: shown(store),
    uncovered: impact.uncovered,
    revision: impact.revision,
    url: pageOf(env.PUBLIC_URL, run.id),
  };
}

/** The section as it is now; null where a comment would have nothing to say of machines, or nothing is known yet. */
export function sectionFor(context: Context, limit?: number): string | null {
  const impact = impactNow(context);
  return impact === null ? null : impactSection(impact, limit);
}

/** The same for a check, which also says it where there are no machines. */
export function impactIn(context: Context, limit: number): string | null {
  const { impact } = header(context);
  const section = sectionFor(context, limit);
  return section === null && impact?.state === "unknown"
    ? `What it changes is unknown. ${impact.why ?? ""}\n`
    : section;
}

function shown(store: Store): ShownMachine[] {
  return store.sql
    .exec<{
      machine: string;
      selection: string;
      attribute: string;
      change: string;
      before: string | null;
      after: string | null;
      error: string | null;
      difference: string | null;
      tags: string | null;
    }>(
      "SELECT machine.*, tags FROM machine LEFT JOIN inventory USING (machine) ORDER BY change = 'same', id",
    )
    .toArray()
    .map(({ difference, change, tags, ...row }) => ({
      ...row,
      tags: tags === null ? [] : (JSON.parse(tags) as string[]),
      change: change as ShownMachine["change"],
      // Written above, from the protocol's own.
      difference: difference === null ? null : (JSON.parse(difference) as MachineDifference),
    }));
}

/** Says it in the pull request's comment. */
export async function tellSection(context: Context): Promise<number | null> {
  const { store } = context;
  const run = header(context);
  if (run.reason.kind === "deploy") {
    await repo(context, run).section(run.id, "plan", planFor(context, run, PLAN_BYTES));
    return null;
  }
  const text = sectionFor(context);
  if (run.impact === null || text === null || text === run.impact.section) return null;
  await repo(context, run).section(run.id, "impact", text);
  const now = header(context).impact;
  if (now !== null) store.set({ impact: JSON.stringify({ ...now, section: text }) });
  return null;
}
