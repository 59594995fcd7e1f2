import { machineOf } from "../../../core/impact/index.ts";
import { attributeName } from "../../../protocol/attribute.ts";
import { indexedRun, indexRun } from "../../index/index.ts";
import { within } from "../within.ts";
import type { BuiltSystem } from "../contracts.ts";
import { type Context, header, repo } from "./context.ts";
import { Targets } from "./deploy/targets.ts";
import { concluded } from "./summary.ts";
import { viewOf } from "./view.ts";

/** Tells the Repo that the run is over. */
export async function tell(context: Context): Promise<number | null> {
  const run = header(context);
  await repo(context, run).finished(run.id, concluded(context), systemsOf(context));
  return null;
}

/** Systems of machines at the default branch's commit: as they were built, or as a plan has them. */
function systemsOf(context: Context): BuiltSystem[] {
  const { store } = context;
  const { reason, identity, declared, selections } = header(context);
  if (!("ref" in reason) || reason.ref !== `refs/heads/${identity.repository.defaultBranch}`)
    return [];
  if (reason.kind === "deploy")
    return new Targets(store)
      .all()
      .flatMap(({ machine, plan }) =>
        plan === null ? [] : [{ machine, system: plan.manifest.system }],
      );
  const names = new Set(declared?.names);
  return store.attributes("kind = 'succeeded' AND provenance IS NOT NULL").flatMap((attribute) => {
    const kind = selections[attribute.selection]?.kind ?? "flake";
    const machine = machineOf(`${kind}:`, attributeName(attribute.path), names);
    const out = attribute.provenance?.outputs.find(({ name }) => name === "out");
    return machine === null || out === undefined ? [] : [{ machine, system: out.path }];
  });
}

/** Remembers the judged tree, where every verdict in it may stand again. */
export async function rememberTree(context: Context): Promise<number | null> {
  const run = header(context);
  const { stopped, evaluation, unreplayable } = context.store.run();
  const whole = stopped === null && evaluation?.kind === "succeeded" && unreplayable === 0;
  // A replay adds nothing: the tree stays with the run that judged it, and so does the age of its failures.
  if (run.treeKey === null || run.replayOf !== null || !whole) return null;
  await repo(context, run).rememberTree({ key: run.treeKey, run: run.id, at: context.now() });
  return null;
}

/** The index is not worth waiting for any longer (ms): what is due after it is. */
const INDEX_DEADLINE = 10_000;

/** The line of the list of runs; derived, so that its failure holds up nothing but itself. */
export async function index(context: Context): Promise<number | null> {
  const view = viewOf(context.store);
  if (view !== null) await within(INDEX_DEADLINE, indexRun(context.env, indexedRun(view)));
  return null;
}
