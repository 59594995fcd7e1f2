import type { Rollout } from "../config/machines.ts";
import { nextOf, readSchedule } from "../config/schedule.ts";
import type { DeployReason } from "./request.ts";
import type { RunRow } from "./rows.ts";

/**
 * What a repository does by itself, read off its rows whenever it is looked at: rollouts of what was pushed to the default
 * branch, rollouts at their times, looks at its machines.
 */

/** Something that is done again and again; one row. */
export type ClockRow = {
  /** `rollout:<name>`, or `observe`. */
  name: string;
  /** `push`, the text of a schedule, or every so many minutes. With another one it begins anew. */
  schedule: string;
  /** When it is to be done next (Unix ms); null where no time does it. */
  dueAt: number | null;
  /** Of a push the commit that was begun last; else the moment (Unix ms, as text). Null before the first. */
  last: string | null;
};

export type ClockQuestion = {
  now: number;
  /** Numeric id: repositories of one schedule do not all begin at once. */
  repository: number;
  /** The default branch and its head, as far as they are known. */
  ref: string;
  head: string | null;
  rollouts: Readonly<Record<string, Rollout>>;
  /** Machines that may be looked at, and how often (minutes). */
  machines: readonly string[];
  observeMinutes: number;
  rows: readonly ClockRow[];
  /** Those that go on, and the newest of the default branch. */
  runs: readonly Pick<
    RunRow,
    "n" | "key" | "head" | "reason" | "state" | "conclusion" | "sender"
  >[];
};

export type ClockAnswer = {
  /** Rows that changed, and names of those that are nobody's any more. */
  rows: ClockRow[];
  gone: string[];
  begin: { reason: DeployReason; sender: RunRow["sender"] }[];
  /** Numbers of looks that did not come to an end before the next one. */
  end: number[];
  /** When to look again at the latest (Unix ms); null: when something happens. */
  nextAt: number | null;
};

/** What is later than this (ms) was missed: it is done once, for all that was missed. */
const LATE = 10 * 60_000;
/** What many missed at the same time is not done at the same time: within this (ms). */
const SPREAD = 10 * 60_000;
/** `daily` and its like name no minute that anybody chose: each repository has one of its own within this (ms). */
const SPREAD_WORDS = 30 * 60_000;
/** A machine that is new is looked at within this (ms). */
const FIRST_LOOK = 2 * 60_000;
const MINUTE = 60_000;

/** Never a login: GitHub has none with a blank. */
const ITSELF = { login: "the schedule", id: 0, type: "Bot" } as const;

export function tick(question: ClockQuestion): ClockAnswer {
  const { rollouts, machines } = question;
  const answer: ClockAnswer = { rows: [], gone: [], begin: [], end: [], nextAt: null };
  const names = new Set<string>();
  for (const [name, rollout] of Object.entries(rollouts)) {
    const of = `rollout:${name}`;
    if (rollout.on === "push") onPush(question, name, answer);
    else if (rollout.on === "schedule" && rollout.schedule !== undefined)
      onSchedule(question, name, rollout.schedule, answer);
    else continue;
    names.add(of);
  }
  if (machines.length > 0) {
    names.add("observe");
    look(question, answer);
  }
  answer.gone = question.rows.map(({ name }) => name).filter((name) => !names.has(name));
  return answer;
}

/** One at a time: what is pushed meanwhile is begun when the last one is over, and only the newest of it. */
function onPush(question: ClockQuestion, rollout: string, answer: ClockAnswer): void {
  const name = `rollout:${rollout}`;
  const { head, runs, ref } = question;
  const known = rowOf(question, name, "push");
  const judged = runs
    .filter(({ key }) => key === `push:${ref}`)
    .toSorted((a, b) => b.n - a.n)
    .find((run) => run.head === head && run.state !== "superseded");
  const green = judged?.state === "finished" && judged.conclusion === "success";
  if (head === null || !green || known?.last === head || goesOn(question, rollout)) return;
  answer.rows.push({ name, schedule: "push", dueAt: null, last: head });
  begin(question, answer, { by: "push", rollout }, { head, sender: judged.sender });
}

function onSchedule(
  question: ClockQuestion,
  rollout: string,
  schedule: string,
  answer: ClockAnswer,
): void {
  const name = `rollout:${rollout}`;
  const { now, head } = question;
  const read = readSchedule(schedule);
  if (read === null) return;
  const words = /^[a-z]+$/u.test(schedule.trim());
  const offset = words ? spread(question, name, SPREAD_WORDS) : 0;
  const next = () => {
    const at = nextOf(read, now - offset);
    return at === null ? null : at + offset;
  };
  const known = rowOf(question, name, schedule);
  const row = known ?? { name, schedule, dueAt: next(), last: null };
  const due = turn(question, row, answer, next);
  if (!due || head === null || goesOn(question, rollout)) return;
  begin(question, answer, { by: "schedule", rollout }, { head, sender: ITSELF });
}

/** Each look is begun in time: one that waits for a runner that does not come makes room for the next. */
function look(question: ClockQuestion, answer: ClockAnswer): void {
  const { now, observeMinutes, machines, head, runs, ref } = question;
  const schedule = `every ${observeMinutes} minutes`;
  const every = observeMinutes * MINUTE;
  const known = rowOf(question, "observe", schedule);
  const row = known ?? {
    name: "observe",
    schedule,
    dueAt: now + spread(question, "observe", FIRST_LOOK),
    last: null,
  };
  const next = () => {
    const since = row.dueAt ?? now;
    return since + (Math.floor((now - since) / every) + 1) * every;
  };
  // Without a commit there is nobody to tell.
  if (!turn(question, row, answer, next) || head === null) return;
  for (const { n, reason, state } of runs)
    if (state === "active" && reason.kind === "deploy" && reason.begun?.rollout === null)
      answer.end.push(n);
  answer.begin.push({
    reason: {
      kind: "deploy",
      head,
      ref,
      pull: null,
      key: `observe:${now}`,
      what: { kind: "observe", targets: [...machines] },
      begun: { by: "schedule", rollout: null },
    },
    sender: ITSELF,
  });
}

/** Whether its time has come. What was missed for long is put off a little once more, and then done once. */
function turn(
  { now, repository }: ClockQuestion,
  row: ClockRow,
  answer: ClockAnswer,
  next: () => number | null,
): boolean {
  const after: ClockRow = { ...row };
  let due = false;
  if (row.dueAt !== null && now >= row.dueAt) {
    if (now - row.dueAt > LATE) after.dueAt = now + spread({ repository }, row.name, SPREAD);
    else {
      due = true;
      after.dueAt = next();
      after.last = String(now);
    }
  }
  answer.rows.push(after);
  if (after.dueAt !== null) answer.nextAt = Math.min(answer.nextAt ?? after.dueAt, after.dueAt);
  return due;
}

function begin(
  { ref, rollouts, now }: ClockQuestion,
  answer: ClockAnswer,
  begun: { by: "push" | "schedule"; rollout: string },
  of: { head: string; sender: RunRow["sender"] },
): void {
  const stages = rollouts[begun.rollout]?.stages ?? ["*"];
  const targets = stages.flatMap((stage) => (typeof stage === "string" ? [stage] : stage.targets));
  answer.begin.push({
    reason: {
      kind: "deploy",
      head: of.head,
      ref,
      pull: null,
      key: `${begun.by}:${begun.rollout}:${now}`,
      what: { kind: "deploy", targets: [...new Set(targets)], force: false },
      begun,
    },
    sender: of.sender,
  });
}

function goesOn({ runs }: ClockQuestion, rollout: string): boolean {
  return runs.some(
    ({ state, reason }) =>
      state === "active" && reason.kind === "deploy" && reason.begun?.rollout === rollout,
  );
}

function rowOf({ rows }: ClockQuestion, name: string, schedule: string): ClockRow | null {
  return rows.find((row) => row.name === name && row.schedule === schedule) ?? null;
}

/** The same for the same repository and name, less than `within`; 32-bit FNV-1a. */
function spread({ repository }: Pick<ClockQuestion, "repository">, name: string, within: number) {
  let hash = 0x811c9dc5;
  for (const character of `${repository} ${name}`)
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash % within;
}
