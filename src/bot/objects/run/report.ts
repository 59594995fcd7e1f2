import {
  type Annotation,
  BUILD,
  buildCheck,
  CAUSE_CAP,
  causeCheck,
  causeName,
  type CheckBody,
  EVALUATION,
  evaluationCheck,
  inTree,
  OVERALL,
  overallCheck,
  plain,
} from "../../../core/report/index.ts";
import { keyOf } from "../../../core/repo/key.ts";
import { buttonsOf } from "../../../core/command/registry.ts";
import type { DesiredCheck } from "../contracts.ts";
import { type Context, header, writer } from "./context.ts";
import { deployCheck } from "./deploy/report.ts";
import { sha256 } from "./digest.ts";
import type { Header } from "./rows.ts";
import { causesOf, type KeyedCause, listed, LISTED, summaryOf } from "./summary.ts";

/** Renders the checks as they should be now, and wishes those that changed. */
export async function report(context: Context): Promise<number | null> {
  const { store } = context;
  const run = header(context);
  // Said to the end before the rows went.
  if (run.emptiedAt !== null) return null;
  store.set({ reported_at: context.now() });
  const wanted: { desired: DesiredCheck; digest: string; cause: string | null }[] = [];
  for (const { name, cause, body } of checks(context)) {
    const digest = await sha256(JSON.stringify(body));
    const [shown] = store.sql
      .exec<{ version: number; digest: string }>(
        "SELECT version, digest FROM shown WHERE name = ?",
        name,
      )
      .toArray();
    if (shown?.digest === digest) continue;
    wanted.push({
      desired: desire(header(context), name, (shown?.version ?? 0) + 1, body, context),
      digest,
      cause,
    });
  }
  if (wanted.length === 0) return null;
  // The Writer may take the wish and its answer be lost: a version that was sent once is never used for another body.
  const keep = (said: boolean) =>
    context.storage.transactionSync(() => {
      for (const { desired, digest, cause } of wanted) {
        store.sql.exec(
          "INSERT OR REPLACE INTO shown (name, cause, version, digest) VALUES (?, ?, ?, ?)",
          desired.name,
          cause,
          desired.version,
          said ? digest : UNSAID,
        );
      }
    });
  keep(false);
  await writer(context, run).desire(wanted.map(({ desired }) => desired));
  keep(true);
  return null;
}

/** Stands for the digest of a body of which it is not known whether the Writer has it. */
const UNSAID = "";

type Named = { name: string; cause: string | null; body: CheckBody };

function checks(context: Context): Named[] {
  const { store } = context;
  const run = header(context);
  if (run.reason.kind === "deploy") {
    // A look that nobody asked for is no commit's business: pages and the fleet's issue tell of it.
    if (run.reason.what.kind === "observe" && run.reason.begun !== undefined) return [];
    const { name, body } = deployCheck(context, run, run.reason);
    // A button is a command at a pull request: `/cancel` with the run's number ends what has none.
    const actions = run.reason.pull === null ? [] : body.actions;
    return [{ name, cause: null, body: { ...body, actions } }];
  }
  const summary = summaryOf(context);
  const causes = causesOf(context, CAUSE_CAP);
  const faults = store.sql
    .exec<{ file: string; line: number; message: string }>(
      "SELECT file, line, message FROM fault ORDER BY id",
    )
    .toArray();
  const overall = overallCheck(
    summary,
    listed(context, "1 ORDER BY rank, id", LISTED),
    causes,
    faults.filter(({ file }) => inTree(file)).map(annotation),
  );
  const found: Named[] = [
    { name: OVERALL, cause: null, body: { ...overall, actions: buttons(context, overall) } },
  ];
  // Before there is anything to evaluate, and where there never will be, the overall check says it all.
  if (summary.pool === null) return found;
  const errors = store
    .counts()
    .filter(({ kind }) => kind === "evaluation-error" || kind === "not-covered")
    .reduce((sum, { count }) => sum + count, 0);
  found.push(
    {
      name: EVALUATION,
      cause: null,
      body: evaluationCheck(
        summary,
        summary.evaluation === null && summary.stopped === null
          ? []
          : listed(
              context,
              "kind IN ('evaluation-error', 'not-covered') ORDER BY required DESC, id",
              200,
            ),
        errors,
      ),
    },
    {
      name: BUILD,
      cause: null,
      body: buildCheck(
        summary,
        summary.phase !== "finished"
          ? []
          : listed(
              context,
              "drv IS NOT NULL AND (kind IS NULL OR kind <> 'evaluated-only') ORDER BY rank, id",
              LISTED,
            ),
        causes.filter(({ drv }) => drv !== null),
      ),
    },
  );
  for (const { cause, name } of names(context, causes))
    found.push({ name, cause: cause.key, body: causeCheck(cause, summary.url) });
  return found;
}

/** What a person may ask of a pull request's run as it is now, beside what the check itself offers. */
function buttons(
  context: Context,
  { actions, status, conclusion }: CheckBody,
): CheckBody["actions"] {
  const { reason } = header(context);
  const over = status === "completed";
  const stopped = context.store.run().stopped?.kind;
  // One that gave way to a newer one has nothing to be asked; of what waits for approval that is to be asked first.
  if (reason.kind !== "pull_request" || actions.length > 0 || stopped === "superseded")
    return actions;
  if (over && conclusion === "success") return actions;
  return buttonsOf(over ? "retry" : "cancel");
}

/** A cause keeps the name under which it was shown first. */
function names(
  { store }: Context,
  causes: readonly KeyedCause[],
): { cause: KeyedCause; name: string }[] {
  const shown = store.sql
    .exec<{ name: string; cause: string | null }>("SELECT name, cause FROM shown")
    .toArray();
  const byCause = new Map(
    shown.flatMap(({ name, cause }) => (cause === null ? [] : [[cause, name] as const])),
  );
  const taken = new Set(shown.map(({ name }) => name));
  // Of causes that come later some may stand before those that are shown: the cap is for all that ever had a check.
  let room = CAUSE_CAP - byCause.size;
  return causes.flatMap((cause) => {
    const known = byCause.get(cause.key);
    if (known === undefined && room <= 0) return [];
    if (known === undefined) room -= 1;
    const name = known ?? causeName(cause.label, cause.id, taken);
    taken.add(name);
    return [{ cause, name }];
  });
}

function desire(
  run: Header,
  name: string,
  version: number,
  body: CheckBody,
  { env }: Context,
): DesiredCheck {
  const { id, owner, name: repository } = run.identity.repository;
  return {
    resource: `check:${run.id}:${name}`,
    run: run.id,
    yields: run.yields,
    succeeds: run.succeeds,
    scope: {
      subject: keyOf(run.reason),
      also: run.reason.kind === "pull_request" ? (run.reason.also ?? []) : [],
    },
    version,
    repository: { id, owner, name: repository },
    name,
    head: run.head,
    detailsUrl: `${env.PUBLIC_URL.replace(/\/+$/u, "")}/runs/${run.id}`,
    ...body,
    startedAt: run.createdAt,
    completedAt:
      body.status === "completed" ? (run.finishedAt ?? run.reportedAt ?? run.createdAt) : null,
  };
}

function annotation({
  file,
  line,
  message,
}: {
  file: string;
  line: number;
  message: string;
}): Annotation {
  return {
    path: file,
    start_line: line,
    end_line: line,
    annotation_level: "failure",
    // Keys of the file are in it, as an attacker wrote them.
    message: plain(message),
    title: "Configuration",
  };
}
