import { canonical, digestSelection, knownByTree } from "../../../core/config/digest.ts";
import { expected } from "../../../core/config/match.ts";
import type { ConfigurationError } from "../../../core/config/read.ts";
import { configurationSection } from "../../../core/config/section.ts";
import { resolve, type Resolved } from "../../../core/config/resolve.ts";
import { kropsDeclared } from "../../../core/krops/index.ts";
import { declaredMachines } from "../../../core/impact/index.ts";
import {
  admit,
  decideMerge,
  mayReplay,
  type MergeAnswer,
  type Rules,
} from "../../../core/run/index.ts";
import { decide, type Trust } from "../../../core/trust/decide.ts";
import { mayWrite } from "../../../core/trust/role.ts";
import type { JudgeReason } from "../../../core/repo/request.ts";
import type { Pool } from "../../../protocol/identifiers.ts";
import type { Source } from "../../../protocol/source.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import { CONFIGURATION_FILE } from "../../../core/config/schema.ts";
import { objectName, type WriterContract } from "../contracts.ts";
import { askOwn, governed, onHead, readSource } from "./configuration.ts";
import { need, refuse, Unavailable } from "./admission.ts";
import { commit, type Context, fleet, header, repo, writer } from "./context.ts";
import { prepareDeploy } from "./deploy/prepare.ts";
import { sha256 } from "./digest.ts";
import type { Header } from "./rows.ts";

/** Raised when what a judged tree means changes: trees of another generation are evaluated again. */
const EVALUATOR_GENERATION = 2;
/** How long preparation waits for GitHub or for its neighbours before it says so (ms). */
const DEADLINE = 30 * 60_000;

/** Everything before the first job. Answers when to be called again, null when preparation is over. */
export async function prepare(context: Context): Promise<number | null> {
  const run = header(context);
  if (context.store.run().phase !== "preparing") return null;
  const since = run.askedSince ?? context.now();
  context.store.set({ asked_since: since, asked: run.asked + 1 });
  try {
    return await attempt(context, run, since);
  } catch (cause) {
    if (context.now() - since > DEADLINE) {
      const message = `Snowcat could not prepare the run within ${DEADLINE / 60_000} minutes: ${cause instanceof Error ? cause.message : String(cause)}`;
      refuse(context, { kind: "infrastructure", message: message.slice(0, 16_000), logTail: "" });
      return null;
    }
    if (cause instanceof Unavailable) return context.now() + Math.max(1_000, cause.retryAfter);
    throw cause;
  }
}

async function attempt(context: Context, run: Header, since: number): Promise<number | null> {
  if (run.reason.kind === "deploy") return await prepareDeploy(context, run, run.reason);
  const github = writer(context, run);
  const merged = await testMerge(context, run, github, since);
  if (merged.kind === "wait") return merged.at;
  if (merged.kind === "end") return await end(context, run, merged.verdict);
  // What does not depend on each other is asked for at once; it is looked at in the order that counts.
  const commitReading = github.commit(run.identity.repository, merged.sha);
  const policyReading = repo(context, run).policy(run.identity);
  const roleReading = roleOf(run, github);
  // Nothing of a fork's is asked for before somebody has approved it.
  const fork = run.reason.kind === "pull_request" && run.reason.fork;
  const early = fork ? null : askOwn(run, merged.sha, github);
  for (const reading of [policyReading, roleReading, early]) reading?.catch(() => {});
  const commitRead = need(await commitReading, `commit ${merged.sha}`);
  const isMerge = run.reason.kind === "pull_request" && merged.sha !== run.head;
  // GitHub may still show the merge of an earlier head: its parents tell.
  if (isMerge && !commitRead.parents.includes(run.head)) {
    const decision = decideMerge({ kind: "pending" }, run.head, run.asked, since, context.now());
    return decision.kind === "end"
      ? await end(context, run, decision.verdict)
      : decision.kind === "wait"
        ? decision.at
        : null;
  }
  context.store.set({
    built: merged.sha,
    base: isMerge ? (commitRead.parents.find((parent) => parent !== run.head) ?? null) : null,
  });

  const policySource = need(await policyReading, "default branch's configuration");
  const base = readSource(policySource);
  const { policy } = resolve(base.ok ? base.configuration : base.rest, [], "untrusted");
  const senderRole = await roleReading;
  const trust = decide({
    reason: judgedBy(run),
    defaultBranch: run.identity.repository.defaultBranch,
    senderType: run.sender.type,
    senderRole,
    approvedSha: run.approved,
    policy,
  });
  if (trust.kind !== "pool") return await unadmitted(context, run, trust);

  const ownReading = fork ? askOwn(run, merged.sha, github) : early;
  const own = ownReading === null ? null : need(await ownReading, CONFIGURATION_FILE);
  const writes = trust.origin === "writer" && mayWrite(senderRole, policy.writers);
  const goes = governed(base, own, writes);
  if (!goes.ok) return await faulty(context, run, merged.sha, goes.errors, github);
  // What nobody has to wait for alone; a newer run's words stand, whichever comes first.
  const telling = tellNotices(context, run, goes.notices);
  telling?.catch(() => {});
  const classes = await fleet(context, run).classes(trust.pool, run.identity.repository.id);
  const resolved = withMore(resolve(goes.configuration, classes, trust.pool), run);
  const source: Source = {
    cloneUrl: run.identity.repository.cloneUrl,
    ref: refOf(run, isMerge),
    sha: merged.sha,
    tree: commitRead.tree,
    revision: resolved.revision,
  };
  const evaluators = [...new Set(classes.flatMap((one) => one.evaluators))].toSorted();
  const key = knownByTree(resolved)
    ? await treeKey(run, trust.pool, source, resolved, evaluators)
    : null;
  const earlier = run.fresh || key === null ? null : await judged(context, run, key);
  // What allowed the run, byte for byte as it is on the default branch.
  const digest = await sha256(policySource.text ?? "");
  await telling;
  commit(
    context,
    () =>
      admit(context.store.slice(), {
        kind: earlier === null ? "evaluate" : "replay",
        pool: trust.pool,
        rules: rulesOf(resolved, run),
      }),
    () => {
      context.store.set({
        source: JSON.stringify(source),
        selections: JSON.stringify(resolved.selections),
        limits: JSON.stringify(resolved.limits),
        declared: JSON.stringify(declaredMachines(goes.configuration)),
        policy: digest,
        tree_key: key,
        replay_of: earlier,
      });
      for (const notice of goes.notices) context.store.notice(notice);
      if (policySource.text === null) context.tasks.at("gone", context.now());
      if (run.reason.kind === "pull_request" && kropsDeclared(goes.configuration) !== null)
        context.tasks.at("krops", context.now());
      if (earlier !== null) context.tasks.at("replay", context.now());
    },
  );
  return null;
}

/** For a pull request, the commit that GitHub makes to try the merge; else the head itself. */
async function testMerge(
  context: Context,
  run: Header,
  github: WriterContract,
  since: number,
): Promise<ReturnType<typeof decideMerge>> {
  if (run.reason.kind !== "pull_request") return { kind: "build", sha: run.head };
  const answer = await github.pull(run.identity.repository, run.reason.number);
  return decideMerge(mergeAnswer(answer), run.head, run.asked, since, context.now());
}

function mergeAnswer(answer: Awaited<ReturnType<WriterContract["pull"]>>): MergeAnswer {
  if (!answer.ok)
    return answer.missing
      ? { kind: "gone" }
      : { kind: "unavailable", retryAfter: answer.retryAfter, reason: answer.reason };
  const { merge: state, head, state: open } = answer.value;
  if (open === "closed") return { kind: "gone" };
  return state.kind === "ready" ? { kind: "ready", sha: state.sha, head } : { kind: state.kind };
}

async function roleOf(run: Header, github: WriterContract): Promise<string | null> {
  if (run.reason.kind !== "pull_request" || run.reason.fork) return null;
  const role = await github.role(run.identity.repository, run.sender.login, run.sender.id);
  if (!role.ok && role.missing) return "none";
  return need(role, `role of ${run.sender.login}`);
}

function rulesOf(resolved: Resolved, run: Header): Rules {
  const reason = judgedBy(run);
  const set = resolved.sets[reason.kind];
  const retry = reason.kind === "pull_request" ? reason.retry : undefined;
  const unmatched = expected(set, resolved.selections);
  return {
    systems: resolved.required,
    set,
    unmatched,
    ...(retry === undefined ? {} : { retry }),
  };
}

/** What somebody asked for beside the pull request's set. */
function withMore(resolved: Resolved, { reason }: Header): Resolved {
  if (reason.kind !== "pull_request" || reason.also === undefined) return resolved;
  const set = [...new Set([...resolved.sets.pull_request, ...reason.also])];
  return { ...resolved, sets: { ...resolved.sets, pull_request: set } };
}

async function treeKey(
  run: Header,
  pool: Pool,
  source: Source,
  resolved: Resolved,
  evaluators: readonly string[],
): Promise<string> {
  const selection = await digestSelection(resolved, judgedBy(run).kind, sha256);
  return sha256(
    canonical([
      "tree",
      run.identity.host,
      run.identity.repository.id,
      pool,
      source.tree,
      selection,
      EVALUATOR_GENERATION,
      evaluators,
    ]),
  );
}

/** The run that judged the same tree under the same rules, if it may stand for this one. */
async function judged(context: Context, run: Header, key: string): Promise<string | null> {
  const memory = await repo(context, run).recallTree(key);
  if (memory === null || memory.run === run.id) return null;
  const earlier = await context.env.RUN.getByName(
    objectName.run(run.identity.host, memory.run),
  ).view();
  return earlier !== null && mayReplay(earlier, run.fresh, context.now()) ? memory.run : null;
}

/** Preparation of a run that judges its commit. */
function judgedBy({ id, reason }: Header): JudgeReason {
  if (reason.kind === "deploy") throw new Error(`run ${id} judges nothing: it is for machines`);
  return reason;
}

function refOf(run: Header, isMerge: boolean): string {
  const reason = judgedBy(run);
  if (reason.kind === "pull_request")
    return `refs/pull/${reason.number}/${isMerge ? "merge" : "head"}`;
  const ref = reason.kind === "push" ? reason.ref : reason.headRef;
  return ref.startsWith("refs/") ? ref : `refs/heads/${ref}`;
}

function unadmitted(
  context: Context,
  run: Header,
  trust: Exclude<Trust, { kind: "pool" }>,
): Promise<null> {
  const approval = trust.kind === "needs-approval" ? trust.command : null;
  return end(context, run, { kind: "needs-approval", reason: trust.reason }, () =>
    context.store.set({ approval }),
  );
}

/** A configuration that cannot be read is the change's (or the default branch's) fault, on its own lines. */
async function faulty(
  context: Context,
  run: Header,
  built: string,
  errors: ConfigurationError[],
  github: WriterContract,
): Promise<null> {
  const shown = need(await onHead(run, built, errors, github), CONFIGURATION_FILE);
  const [first] = errors;
  const elsewhere =
    shown.length === 0 ? "\nThe head does not have this: it comes with the base branch." : "";
  const message = `${errors
    .map((error) => `${error.file}:${error.line}:${error.column}: ${error.message}`)
    .join("\n")
    .slice(0, 15_000)}${elsewhere}`;
  const position = first ? { file: first.file, line: first.line, column: first.column } : null;
  return await end(context, run, { kind: "evaluation-error", message, position }, () => {
    for (const error of shown) {
      context.store.sql.exec(
        "INSERT INTO fault (file, line, message) VALUES (?, ?, ?)",
        error.file,
        error.line,
        error.message.slice(0, 4_096),
      );
    }
  });
}

/** Ends a run that does not begin. What an earlier run of the pull request said of its configuration is of another time. */
async function end(
  context: Context,
  run: Header,
  verdict: Verdict,
  also?: () => void,
): Promise<null> {
  await tellNotices(context, run, []);
  return refuse(context, verdict, also);
}

/** In the comment of the pull request, if the run is for one. */
function tellNotices(
  context: Context,
  run: Header,
  notices: readonly string[],
): Promise<void> | null {
  return run.reason.kind === "pull_request"
    ? repo(context, run).section(run.id, "notices", configurationSection(notices))
    : null;
}
