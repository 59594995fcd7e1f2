import { difference, type Evaluated } from "../../../core/run/index.ts";
import type { Selection } from "../../../protocol/specification.ts";
import { type Context, header, repo } from "./context.ts";

/** Failed tries before the comparison is left out: it decides about nothing. */
const TRIES = 4;

/**
 * Keeps what a branch's commit evaluated to, and says of a pull request how it differs from its base: without evaluating
 * the base again, and not at all where the base was not evaluated.
 */
export async function compare(context: Context, tries: number): Promise<number | null> {
  const { store, env, tasks } = context;
  const run = header(context);
  const { pool, stopped, evaluation } = store.run();
  if (tries >= TRIES || pool === null || stopped !== null || run.emptiedAt !== null) return null;
  if (evaluation?.kind !== "succeeded" || run.source === null) return null;
  if (run.reason.kind === "push") {
    const blob = `evaluations/${run.id}.ndjson`;
    await env.BLOBS.put(blob, text(evaluated(context, run.selections)), {
      httpMetadata: { contentType: "application/x-ndjson" },
    });
    await repo(context, run).rememberEvaluation({ sha: run.source.sha, pool, blob });
    return null;
  }
  if (run.reason.kind !== "pull_request") return null;
  const base = run.base ?? run.reason.base;
  const kept = await repo(context, run).recallEvaluation(base, pool);
  const object = kept === null ? null : await env.BLOBS.get(kept.blob);
  if (object === null) return null;
  const before = parse(await object.text());
  const { names, ...counts } = difference(before, evaluated(context, run.selections));
  context.storage.transactionSync(() => {
    store.sql.exec("DELETE FROM difference");
    for (const { kind, name } of names)
      store.sql.exec(
        "INSERT INTO difference (kind, name) VALUES (?, ?)",
        kind,
        name.slice(0, 1_024),
      );
    store.set({ differs: JSON.stringify({ base, ...counts }) });
    tasks.at("report", context.now());
  });
  return null;
}

/** This run's attributes, without what the configuration asks for and the evaluation does not have. */
function* evaluated({ store }: Context, selections: readonly Selection[]): Iterable<Evaluated> {
  const labels = selections.map(labelOf);
  const rows = store.sql.exec<{ selection: number; name: string; drv: string | null }>(
    "SELECT selection, name, drv FROM attribute WHERE selection >= 0 ORDER BY id",
  );
  for (const { selection, name, drv } of rows)
    yield { selection: labels[selection] ?? "", name, drv };
}

/** A selection's number may change with the configuration; what it looks at does not. */
function labelOf(selection: Selection): string {
  return selection.kind === "flake"
    ? `flake:${selection.directory === "" ? "." : selection.directory}`
    : `file:${selection.file}`;
}

function text(attributes: Iterable<Evaluated>): string {
  let lines = "";
  for (const { selection, name, drv } of attributes)
    lines += `${JSON.stringify([selection, name, drv])}\n`;
  return lines;
}

function* parse(lines: string): Iterable<Evaluated> {
  for (const line of lines.split("\n")) {
    if (line === "") continue;
    // Written above, by this release or an earlier one.
    const [selection, name, drv] = JSON.parse(line) as [string, string, string | null];
    yield { selection, name, drv };
  }
}
