import type { Api } from "./github/api.ts";
import type { Hooks } from "./github/hooks.ts";
import type { CheckRun, Commit, Pull, Repository, Truth } from "./github/truth.ts";
import type { History } from "./history.ts";
import type { Platform } from "./platform/objects.ts";
import { judgeWords } from "./words.ts";

/** Each list says what and where, in words. */
export type Findings = { lost: string[]; doubled: string[]; wrong: string[] };

type Row = Record<string, string | number | null>;

/** What a commit of this nature may show; written from the rules, not from Snowcat's code. */
function ofCommit(commit: Commit): string {
  return commit.nature === "good" ? "success" : "failure";
}

function ofPull(truth: Truth, history: History, repository: Repository, pull: Pull): string {
  const head = truth.find(pull.head);
  if (head.conflicts) return "action_required";
  if (pull.fork && !history.approved(repository.id, pull.number, pull.head))
    return "action_required";
  return ofCommit(head);
}

/**
 * Holds what GitHub shows against what must be there in the end: every branch and open pull request has its verdict, the
 * right one, once; nothing that is over still turns; nobody got more runs than people asked for.
 */
export function judge(world: {
  truth: Truth;
  history: History;
  api: Api;
  hooks: Hooks;
  platform: Platform;
}): Findings {
  const { truth, history, api, hooks, platform } = world;
  const found: Findings = { lost: [], doubled: [], wrong: [] };
  for (const repository of truth.repositories) {
    const checks = new Map<string, CheckRun[]>();
    for (const check of truth.checks) {
      if (check.repository !== repository.id) continue;
      checks.set(check.head, [...(checks.get(check.head) ?? []), check]);
    }
    for (const [head, wanted] of expected(truth, history, repository)) {
      const where = `${repository.name} ${head.slice(0, 8)} (${wanted.why.join(", ")})`;
      const overall = (checks.get(head) ?? []).filter(({ name }) => name === "snowcat").at(-1);
      if (overall === undefined) found.lost.push(`${where}: no check`);
      else if (overall.status !== "completed")
        found.lost.push(`${where}: ${overall.externalId} is ${overall.status}`);
      else if (!wanted.may.has(String(overall.conclusion)))
        found.wrong.push(
          `${where}: ${overall.externalId} is ${overall.conclusion}, not ${[...wanted.may].join(" or ")}`,
        );
    }
    for (const check of [...checks.values()].flat()) hold(truth, check, found);
  }
  doubledChecks(truth, found);
  doubledWords(api, found);
  judgeWords(world, found);
  for (const external of api.reopened)
    found.wrong.push(`${external} was completed and is open again`);
  neverStored(hooks, platform, found);
  for (const guid of hooks.unheard()) found.lost.push(`delivery ${guid} was never taken`);
  for (const unexpected of new Set(api.requests.unexpected))
    found.wrong.push(`GitHub was asked what it does not know: ${unexpected}`);
  insideObjects(truth, history, platform, found);
  return found;
}

/** For each commit that something stands on in the end: what its overall check may say. */
function expected(truth: Truth, history: History, repository: Repository) {
  const wanted = new Map<string, { may: Set<string>; why: string[] }>();
  const want = (head: string, conclusion: string, why: string) => {
    const known = wanted.get(head) ?? { may: new Set(), why: [] };
    known.may.add(conclusion);
    known.why.push(why);
    wanted.set(head, known);
  };
  const open = [...repository.pulls.values()].filter((pull) => pull.open);
  for (const [branch, head] of repository.branches)
    want(head, ofCommit(truth.find(head)), `branch ${branch}`);
  for (const pull of open)
    want(pull.head, ofPull(truth, history, repository, pull), `pull ${pull.number}`);
  for (const [ref, { head, open: stands }] of repository.groups)
    if (stands) want(head, ofCommit(truth.find(head)), ref);
  for (const [head, { may }] of wanted) {
    const commit = truth.find(head);
    // A pull request that had this commit has said its word about it, which stands until somebody asks again.
    const pulls = [...history.subjects(repository.id, head)].some((one) => one.startsWith("pull:"));
    if (pulls && commit.conflicts) may.add("action_required");
    // Closing a pull request ends its run; its branch is judged again with the next push, or when somebody asks.
    if (history.wasEnded(repository.id, head)) may.add("cancelled").add("action_required");
    // `/cancel` does too, and a run that was lost: its check says so until somebody asks again.
    if (history.wasCancelled(repository.id, head)) may.add("action_required");
  }
  return wanted;
}

/** What holds for every check run, whatever became of its commit. */
function hold(truth: Truth, check: CheckRun, found: Findings): void {
  const where = `${check.externalId} on ${check.head.slice(0, 8)}`;
  if (check.status !== "completed") found.wrong.push(`${where} still turns`);
  const good = truth.find(check.head).nature === "good";
  if (check.name === "snowcat" && check.conclusion === "success" && !good)
    found.wrong.push(`${where} is green, and its commit is not`);
  if (check.name.startsWith("snowcat / packages") && good)
    found.wrong.push(`${where} names a cause where nothing fails`);
  if (["neutral", "skipped", "timed_out"].includes(String(check.conclusion)))
    found.wrong.push(`${where} is ${check.conclusion}`);
}

function doubledChecks(truth: Truth, found: Findings): void {
  const seen = new Set<string>();
  for (const { externalId, head, name } of truth.checks) {
    const key = `${externalId} ${head} ${name}`;
    if (seen.has(key)) found.doubled.push(`${key} was made twice`);
    seen.add(key);
  }
}

/** A reaction or a comment for the same purpose, twice. */
function doubledWords(api: Api, found: Findings): void {
  const comments = new Set<string>();
  for (const { repository, issue, body } of api.comments) {
    const key = `${repository} #${issue} ${/<!--.*?-->/u.exec(body)?.[0] ?? body}`;
    if (comments.has(key)) found.doubled.push(`comment ${key}`);
    comments.add(key);
  }
}

/** What was answered with 202 is in an inbox: as long as GitHub could bring it again, the row stays. */
function neverStored(hooks: Hooks, platform: Platform, found: Findings): void {
  const stored = new Set(
    [...platform.all("REPO"), ...platform.all("ACCOUNT")].flatMap((actor) =>
      actor.storage.look("SELECT delivery FROM inbox").map(({ delivery }) => delivery),
    ),
  );
  for (const { guid, event, status } of hooks.attempts)
    if (status === 202 && !stored.has(guid))
      found.lost.push(`${event} ${guid} was answered with 202 and is nowhere`);
}

function insideObjects(truth: Truth, history: History, platform: Platform, found: Findings): void {
  for (const actor of platform.all("REPO")) {
    const id = Number(actor.name.slice(actor.name.lastIndexOf("/") + 1));
    // No column that is asked for here is a blob.
    const rows = (query: string) => actor.storage.look(query) as Row[];
    for (const { delivery, event, error } of rows(
      "SELECT delivery, event, error FROM inbox WHERE state <> 'done'",
    ))
      found.lost.push(`repository ${id}: ${event} ${delivery} is not done: ${error ?? "waiting"}`);
    // What begins by itself is always due some time; what is asked for at once is not.
    for (const { kind, target } of rows(
      "SELECT kind, target FROM due WHERE kind NOT IN ('prune', 'delete-blob') AND target <> 'clock'",
    ))
      found.lost.push(`repository ${id}: ${kind} ${target} was not done`);
    const counts = new Map<string, number>();
    for (const { n, head, state } of rows("SELECT n, head, state FROM run")) {
      if (state === "active" && !waits(platform, id, Number(n)))
        found.lost.push(`run ${id}-${n} is not over`);
      counts.set(String(head), (counts.get(String(head)) ?? 0) + 1);
    }
    for (const [head, runs] of counts) {
      const most = history.runs(id, head);
      if (runs > most)
        found.doubled.push(
          `${truth.repository(id).name} ${head.slice(0, 8)} has ${runs} runs, ${most} were asked for`,
        );
    }
  }
}

/** Whether the run waits for a person: then it may be active for ever. */
function waits(platform: Platform, repository: number, n: number): boolean {
  const name = `/run/${repository}-${n}`;
  const run = platform.all("RUN").find((actor) => actor.name.endsWith(name));
  return run?.storage.look("SELECT phase FROM run")[0]?.["phase"] === "waiting-approval";
}
