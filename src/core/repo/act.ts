import { argumentsOf } from "../command/grammar.ts";
import type { Command, Facts } from "../command/command.ts";
import { renderHelp, renderStatus } from "../command/reply.ts";
import { declarationOf } from "../command/registry.ts";
import { code } from "../report/escape.ts";
import { actOnMachines } from "./machines.ts";
import { done, refused } from "./outcome.ts";
import { branchRun, reasonOf } from "./pull.ts";
import type { RunReason, Sender } from "./request.ts";
import type { CommandOutcome, PullRow, RunRow, Slice } from "./rows.ts";
import type { Plan } from "./start.ts";

type Given = {
  /** The default branch's head, where the command names it. */
  branch: string | null;
  plan: Plan;
  slice: Slice;
  pull: PullRow | null;
  facts: Facts;
  by: Sender;
  runUrl: (n: number) => string;
  key: string;
  said: string | null | undefined;
};
export type Acting = Omit<Given, "branch"> & {
  pull: PullRow;
  /** The default branch, where the command is about that. */
  branch: { head: string; ref: string } | null;
  /** Without the SHA. */
  values: readonly string[];
  /** Markdown link to a run. */
  link: (n: number) => string;
};

/** What a command does, of which everything has been judged: rows and effects, and what is said about it. */
export function act(given: Given, command: Command): CommandOutcome {
  const { pull, runUrl, facts } = given;
  if (command.name === "help") return done(renderHelp(facts.policy));
  // Whatever else can act is about a pull request, and was judged with it.
  if (pull === null) return refused("not-a-pull-request", "The pull request is not known here.");
  const { values } = argumentsOf(declarationOf(command.name), command.arguments);
  const { defaultBranch } = given.slice.identity?.repository ?? {};
  const branch =
    given.branch === null || defaultBranch === undefined
      ? null
      : { head: given.branch, ref: `refs/heads/${defaultBranch}` };
  const acting = {
    ...given,
    pull,
    branch,
    values,
    link: (n: number) => `[run ${n}](${runUrl(n)})`,
  };
  switch (command.name) {
    case "status":
      return done(renderStatus(facts));
    case "build":
      return build(acting);
    case "cancel":
      return cancel(acting);
    case "retry":
      return retry(acting);
    case "ok-to-test":
      return okToTest(acting);
    case "approve":
      return approve(acting);
    case "plan":
    case "deploy":
    case "rollback":
    case "confirm":
    case "lock":
    case "unlock":
    case "hold":
      return actOnMachines(acting, command);
    case "test":
    case "bump":
      return refused("not-available", `${code(`/${command.name}`)} is not there yet.`);
  }
}

/** A run of the head as the pull request's own, with these attributes beside its set. */
function build({ plan, slice, pull, values, link }: Acting): CommandOutcome {
  const also = [...new Set(values.map(patternOf))];
  const reason: RunReason = { ...reasonOf(pull), ...(also.length === 0 ? {} : { also }) };
  if (plan.isOwn(reason)) return theRepositorys();
  const same = ofHead(slice, pull).find(
    (run) => run.state === "active" && JSON.stringify(alsoOf(run)) === JSON.stringify(also),
  );
  if (same !== undefined) return refused("nothing-to-do", `${link(same.n)} is at it already.`);
  const n = begin(plan, slice, pull, reason, false);
  return done(`${link(n)} was started.`);
}

/** Without `all` what succeeded before still stands; a name limits it to failures of those attributes. */
function retry({ plan, slice, pull, values, link }: Acting): CommandOutcome {
  const [newest] = ofHead(slice, pull);
  const what = values[0] ?? "failed";
  const also = newest === undefined ? [] : alsoOf(newest);
  const reason: RunReason = {
    ...reasonOf(pull),
    ...(also.length === 0 ? {} : { also }),
    retry: what === "all" || what === "failed" ? what : [patternOf(what)],
  };
  if (plan.isOwn(reason)) return theRepositorys();
  const n = begin(plan, slice, pull, reason, true);
  return done(
    what === "all"
      ? `${link(n)} does everything again.`
      : `${link(n)} tries ${what === "failed" ? "what failed" : code(what)} again.`,
  );
}

function begin(plan: Plan, slice: Slice, pull: PullRow, reason: RunReason, fresh: boolean): number {
  const { sender, approved } = pull;
  const branch = branchRun(pull, slice.identity?.repository.defaultBranch ?? "");
  return plan.start({ reason, sender, approved, fresh }, branch);
}

function cancel({ plan, slice, pull, by, values, link }: Acting): CommandOutcome {
  const [what = null] = values;
  const named = what !== null && /^[0-9]+$/u.test(what) ? Number(what) : null;
  const of = what === "evaluate" || what === "build" ? what : null;
  if (what !== null && named === null && of === null)
    return refused("nothing-to-do", `No run has jobs of the kind ${code(what)}.`);
  const deploys = slice.runs.filter(
    ({ reason, head }) =>
      reason.kind === "deploy" && reason.pull === pull.number && head === pull.head,
  );
  // What is not of this pull request is ended by its number only.
  const others = slice.runs.filter(
    ({ reason, n }) => reason.kind === "deploy" && reason.pull === null && n === named,
  );
  const runs = [...ofHead(slice, pull), ...(of === null ? [...deploys, ...others] : [])].filter(
    ({ state, n }) => state === "active" && (named === null || n === named),
  );
  if (runs.length === 0) return refused("nothing-to-do", "No such run goes on.");
  for (const { n } of runs)
    plan.decision.effects.push(
      of === null
        ? { kind: "cancel", n, by: by.login }
        : { kind: "cancel-jobs", n, of, by: by.login },
    );
  const links = runs.map(({ n }) => link(n)).join(", ");
  return done(of === null ? `${links}: ended.` : `${links}: jobs of the kind ${code(of)} ended.`);
}

function okToTest({ plan, slice, pull, by }: Acting): CommandOutcome {
  approveHead(plan, slice, pull, by);
  return done(`${code(pull.head.slice(0, 12))} may run in the untrusted pool.`);
}

/** The run of the very head that somebody entitled approved; of what stands there later nothing is said. */
export function approveHead(plan: Plan, slice: Slice, pull: PullRow, by: Sender): void {
  const reason = reasonOf(pull);
  // The commit is the repository's already: whoever vouches for the pull request counts as its bringer.
  const sender = !pull.fork && plan.own(reason).length > 0 ? by : pull.sender;
  const row = { ...pull, approved: pull.head, approvedBy: by.login, sender };
  plan.decision.changes.push({ kind: "pull", row });
  const branch = branchRun(row, slice.identity?.repository.defaultBranch ?? "");
  plan.ensure(reason, row.sender, row.approved, branch);
}

function approve({ plan, pull, by }: Acting): CommandOutcome {
  plan.decision.changes.push({
    kind: "approval",
    pull: pull.number,
    sha: pull.head,
    by,
    at: plan.now,
  });
  return done(`${code(by.login)} approved ${code(pull.head.slice(0, 12))}.`);
}

/** Newest first. */
function ofHead(slice: Slice, pull: PullRow): RunRow[] {
  return slice.runs
    .filter(({ key, head }) => key === `pull:${pull.number}` && head === pull.head)
    .toSorted((a, b) => b.n - a.n);
}

function alsoOf({ reason }: RunRow): string[] {
  return reason.kind === "pull_request" ? (reason.also ?? []) : [];
}

/** A bare name, and what follows a first `*.`, stands for what is called so, wherever it is. */
function patternOf(typed: string): string {
  if (typed === "*") return typed;
  if (typed.startsWith("*.")) return `*${typed}`;
  return typed.includes(".") ? typed : `**.${typed}`;
}

function theRepositorys(): CommandOutcome {
  return refused(
    "nothing-to-do",
    "The commit is one that the repository judges as its own; its checks stand.",
  );
}
