import type {
  Asked,
  CommandPolicy,
  Facts,
  Judgement,
  KnownTarget,
  MachineLock,
} from "../command/command.ts";
import { branchNamed } from "../command/bind.ts";
import { judge } from "../command/judge.ts";
import { declarationOf } from "../command/registry.ts";
import { renderAskForSha } from "../command/reply.ts";
import { act } from "./act.ts";
import type { CommandOutcome, CommandRow, Decision, PullAbout, PullRow, Slice } from "./rows.ts";
import { entryOf } from "./said.ts";
import { Plan } from "./start.ts";

/** What GitHub said about a command, read for it and nothing else. */
export type Answer = {
  role: string | null;
  teams: string[];
  policy: CommandPolicy;
  /** The pull request as GitHub has it; null where it has none. */
  pull: { head: string; state: "open" | "closed"; about: PullAbout } | null;
  /** Machines of the repository, and who keeps them; where a command asks for them. */
  machines?: KnownTarget[];
  locks?: MachineLock[];
  /** What the machine's own object said to it; null where it took it. Missing where it was not asked. */
  said?: string | null;
  /** Where a run's page is, for the text of outcomes. */
  runUrl: (n: number) => string;
};

/** So long after it was given (ms) a command is too old to act on: GitHub was away, or the object was. */
const STALE = 3_600_000;

/**
 * So long (ms) a command waits for the delivery that it is ahead of. Missed ones are looked for every two minutes, and
 * asked for at once, then after 2, 4 and 8 minutes.
 */
const AHEAD = 15 * 60_000;

/**
 * Whether a command is ahead of the delivery of its commit: whoever gave it may, and named in full what GitHub has as
 * head, while our rows have another. Then it is to be asked about again: to refuse it would be to
 * say that the head moved, when it is we who are late.
 */
export function isAhead(slice: Slice, key: string, answer: Answer, now: number): boolean {
  const row = slice.commands.find((one) => one.key === key);
  if (row === undefined || row.command === null || answer.pull === null) return false;
  const recorded = slice.pulls.find(({ number }) => number === row.pull);
  // Of one that nobody told of, GitHub's word is taken.
  if (recorded === undefined || recorded.head === answer.pull.head || now - row.at > AHEAD)
    return false;
  const pull = standing(recorded, answer, now);
  const verdict = judge(askedOf(row, row.command), factsOf(slice, pull, answer, now));
  return verdict.kind === "act" && verdict.sha !== null;
}

/**
 * A pull request of which no delivery ever told: it is older than the installation, or its delivery is on the way or
 * lost. Recorded as GitHub has it, so that what comes later of it counts as news. Who brought its head is not known; its
 * author is who proposes it.
 */
function heardOf(number: number, answer: Answer, now: number): PullRow | null {
  if (answer.pull === null) return null;
  const { head, state, about } = answer.pull;
  return {
    ...about,
    number,
    state,
    head,
    before: null,
    updatedAt: "",
    sender: { login: about.author, id: 0, type: "User" },
    approved: null,
    approvedBy: null,
    headSeenAt: now,
    merged: null,
  };
}

/**
 * The answer for a command. Of a pull request that is not known it first makes one that is. Then it
 * says, the first time, whether the command may act, the second time, just before the effect
 * and with everything read anew, it must say the same of the same commit. Rows and effects are of one transaction.
 */
export function answered(slice: Slice, key: string, answer: Answer, now: number): Decision {
  const plan = new Plan(slice, now);
  const row = slice.commands.find((one) => one.key === key);
  if (row === undefined || row.state === "done" || row.command === null) return plan.decision;
  if (!slice.pulls.some(({ number }) => number === row.pull)) {
    const heard = heardOf(row.pull, answer, now);
    // Asked about again, with what is recorded of the pull request and its commit.
    if (heard !== null) {
      plan.decision.changes.push({ kind: "pull", row: heard });
      return plan.decision;
    }
  }
  const outcome = outcomeOf(plan, slice, row, answer);
  if (outcome === null) return plan.decision;
  const done: CommandRow = { ...row, state: "done", outcome };
  plan.decision.changes.push(
    { kind: "command", row: done },
    { kind: "audit", at: now, entry: entryOf(done, outcome.code ?? outcome.kind, outcome.text) },
  );
  plan.decision.effects.push({ kind: "sticky", pull: row.pull });
  react(plan, slice, done);
  return plan.decision;
}

/** Null: it may act, and is to be asked about once more. */
function outcomeOf(
  plan: Plan,
  slice: Slice,
  row: CommandRow,
  answer: Answer,
): CommandOutcome | null {
  const { now, decision } = plan;
  if (row.command === null) return null;
  if (now - row.at > STALE) {
    const text = "GitHub could not be asked in time, so nothing was done. Give the command again.";
    return { kind: "refused", code: "stale", text };
  }
  const recorded = slice.pulls.find(({ number }) => number === row.pull) ?? null;
  const pull = standing(recorded, answer, now);
  const facts = factsOf(slice, pull, answer, now);
  const verdict = judge(askedOf(row, row.command), facts);
  // GitHub and our own rows name different heads: one of the two is late, and nobody knows which.
  const unsure = recorded?.head !== answer.pull?.head;
  if (
    unsure &&
    (verdict.kind === "ask-for-sha" || (verdict.kind === "act" && verdict.sha !== null))
  )
    return moved();
  if (verdict.kind !== "act") return refusal(plan, row, verdict);
  if (row.state === "asked") {
    const acting: CommandRow = { ...row, state: "acting", actsOn: verdict.sha };
    decision.changes.push(
      { kind: "command", row: acting },
      { kind: "audit", at: now, entry: entryOf(acting, "allowed", "") },
    );
    return null;
  }
  if (verdict.sha !== row.actsOn) return moved();
  const { runUrl, said } = answer;
  const branch = branchNamed(askedOf(row, row.command), declarationOf(row.command.name), facts);
  return act(
    { plan, slice, pull, branch, facts, by: row.by, runUrl, key: row.key, said },
    verdict.command,
  );
}

/** Whether a command that was allowed once still may act, of the same commit: the machine is asked then. */
export function isAllowed(slice: Slice, key: string, answer: Answer, now: number): boolean {
  const row = slice.commands.find((one) => one.key === key);
  if (row?.state !== "acting" || row.command === null || now - row.at > STALE) return false;
  const recorded = slice.pulls.find(({ number }) => number === row.pull) ?? null;
  if (recorded?.head !== answer.pull?.head) return false;
  const facts = factsOf(slice, standing(recorded, answer, now), answer, now);
  const verdict = judge(askedOf(row, row.command), facts);
  return verdict.kind === "act" && verdict.sha === row.actsOn;
}

function moved(): CommandOutcome {
  const text = "The head moved while the command was on its way. Look at it and give it again.";
  return { kind: "refused", code: "head-moved", text };
}

function refusal(
  plan: Plan,
  row: CommandRow,
  verdict: Exclude<Judgement, { kind: "act" }>,
): CommandOutcome {
  if (verdict.kind === "refuse") return { kind: "refused", code: verdict.code, text: verdict.why };
  // What is printed is for a person to look at and send: the one answer that must be noticed.
  const body = renderAskForSha(verdict);
  plan.decision.effects.push({ kind: "tell", pull: row.pull, about: row.key, body });
  return { kind: "asked-for-sha", code: null, text: verdict.why };
}

/** The result, for everybody to see at the comment itself, once all of its commands have one. */
function react(plan: Plan, slice: Slice, done: CommandRow): void {
  if (done.comment === null) return;
  const rows = slice.commands.map((row) => (row.key === done.key ? done : row));
  if (rows.some(({ state }) => state !== "done")) return;
  const kinds = rows.map(({ outcome }) => outcome?.kind);
  const content = kinds.includes("refused")
    ? "-1"
    : kinds.every((kind) => kind === "done")
      ? "+1"
      : "confused";
  plan.decision.effects.push({ kind: "react", comment: done.comment, content });
}

/** As it stands now: what GitHub says of head and state counts, where it says something else than was recorded. */
function standing(pull: PullRow | null, { pull: now }: Answer, at: number): PullRow | null {
  if (pull === null || now === null) return null;
  if (now.head === pull.head) return { ...pull, state: now.state };
  return { ...pull, state: now.state, head: now.head, headSeenAt: at, approved: null };
}

function askedOf(row: CommandRow, command: Asked["command"]): Asked {
  const { key, by, via, pull, at, sha, comment } = row;
  return { key, command, by, via, pull, at, sha, comment };
}

function factsOf(slice: Slice, pull: PullRow | null, answer: Answer, now: number): Facts {
  return {
    now,
    role: answer.role,
    teams: answer.teams,
    policy: answer.policy,
    pull,
    runs: slice.runs
      .filter(({ key, head }) => key === `pull:${pull?.number}` && head === pull?.head)
      .toSorted((a, b) => b.n - a.n)
      .map(({ n, state, conclusion, reason }) => ({ n, state, conclusion, reason: reason.kind })),
    approvals: slice.approvals,
    branch: slice.head?.sha ?? null,
    deploys: slice.runs.flatMap(({ n, state, head, reason, sender }) =>
      reason.kind === "deploy" &&
      (reason.pull === null || (reason.pull === pull?.number && head === pull?.head)) &&
      state === "active"
        ? [{ n, what: reason.what.kind, by: sender }]
        : [],
    ),
    machines: answer.machines,
    locks: answer.locks ?? [],
  };
}
