import { indexedRun, indexRun } from "../../index/index.ts";
import { type Context, header, repo } from "./context.ts";
import { concluded } from "./summary.ts";
import { attributesOf, viewOf } from "./view.ts";

/** Tells the Repo that the run is over. */
export async function tell(context: Context): Promise<number | null> {
  const run = header(context);
  await repo(context, run).finished(run.id, concluded(context));
  return null;
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

/** The line of the list of runs; derived, so that its failure holds up nothing but itself. */
export async function index(context: Context): Promise<number | null> {
  const view = viewOf(context.store);
  if (view !== null) await indexRun(context.env, indexedRun(view));
  return null;
}

/** Attributes in one object of the archive: at 16 KiB of log each, it stays below 10 MiB. */
const SLICE = 500;

/** `runs/<run>/run.json`, and `runs/<run>/attributes-<after>.ndjson` for each slice. Written again, it is the same. */
export async function archive(context: Context): Promise<number | null> {
  const { store, env } = context;
  const { id } = header(context);
  for (let after = 0; ;) {
    const rows = attributesOf(store, after, SLICE);
    if (rows.length > 0) {
      const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
      await env.BLOBS.put(`runs/${id}/attributes-${after}.ndjson`, text, {
        httpMetadata: { contentType: "application/x-ndjson" },
      });
    }
    after = rows.at(-1)?.index ?? after;
    if (rows.length < SLICE) break;
  }
  await env.BLOBS.put(`runs/${id}/run.json`, JSON.stringify(viewOf(store)), {
    httpMetadata: { contentType: "application/json" },
  });
  return null;
}
