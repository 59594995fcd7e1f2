import { buttonsOf } from "../command/registry.ts";
import { bounded, summaryOf } from "../report/bounded.ts";
import { code, line } from "../report/escape.ts";
import type { CheckBody } from "../report/index.ts";
import { duration } from "../report/time.ts";
import { adviceOn, reasonOf, wordOf } from "./outcome.ts";
import { rolloutConclusion } from "./rollout.ts";
import type { RolloutSlice, TargetRow } from "./stages.ts";

/** Names of check runs that tell of machines; none of them is what a deploy waits for. */
export const DEPLOY_CHECKS = {
  plan: "snowcat / plan",
  deploy: "snowcat / deploy",
  rollback: "snowcat / rollback",
  observe: "snowcat / observe",
} as const;

/** How looking at a machine goes whose deploy was lost. */
export type Look =
  | { kind: "asked" }
  /** Nobody has answered for minutes. */
  | { kind: "late" }
  /** Whoever looked last saw nothing. */
  | { kind: "unseen"; why: string }
  /** It was seen, and that proved nothing yet: it is still at it, say. */
  | { kind: "seen" };

/** What a rollout's check run is rendered from. */
export type RolloutView = RolloutSlice & {
  purpose: "deploy" | "rollback";
  /** Full object name, and the ref that it stands on. */
  sha: string;
  ref: string;
  /** Login of who asked, or what began it. */
  by: string;
  /** The plan as `planSection` has it; null for a rollback to a generation. */
  plan: string | null;
  /** What is to be known beside it, as plain text. */
  notices: readonly string[];
  /** Pages of the deploys' logs, by machine. */
  logs: ReadonlyMap<string, string>;
  /** Of machines that were lost. */
  looks: ReadonlyMap<string, Look>;
  /** From the start to the end, or to now (s). */
  seconds: number;
  url: string;
};

/** The check run of a rollout: each machine's state, what stopped it, what to do next. */
export function rolloutCheck(view: RolloutView): CheckBody {
  const { rollout, targets } = view;
  const conclusion = rolloutConclusion(view);
  const confirming = rollout.phase === "confirming";
  const rows = [
    `\n| machine | stage | state | step | runs |\n|---|---|---|---|---|\n`,
    ...targets.map((target) => row(target, view)),
  ];
  return {
    status: conclusion === null ? (confirming ? "queued" : "in_progress") : "completed",
    conclusion,
    title: line(titleOf(view)),
    summary: summaryOf(
      [
        ...factsOf(view),
        ...view.notices.slice(0, 16).map((one) => `- ${code(one, 500)}\n`),
        ...(confirming ? confirmedOf(view) : []),
        ...(rollout.stopped === null
          ? []
          : [`\n**Stopped.** ${code(rollout.stopped.why, 1_000)}\n`]),
        bounded(
          rows,
          (left) => `\n${left} more machines: [the run](${view.url}) has them.\n`,
          rows.length,
          30_000,
        ),
        ...nextOf(targets),
      ],
      view.url,
    ),
    text: view.plan,
    annotations: [],
    actions: confirming ? buttonsOf("confirm") : conclusion === null ? buttonsOf("cancel") : [],
  };
}

function titleOf({ rollout, targets, stages }: RolloutView): string {
  const active = targets.filter(isActive).length;
  const of = `${active} of ${targets.length} ${targets.length === 1 ? "machine" : "machines"} active`;
  switch (rollout.phase) {
    case "confirming":
      return `Waits for a confirmation: ${targets.length} machines`;
    case "rolling":
      if (rollout.stopped !== null) return `Stopping: ${lostOf(targets)}${of}`;
      return `${stages[rollout.stage]?.label ?? "Rolling"}: ${of}`;
    case "pausing":
      return `Pausing after ${stages[rollout.stage]?.label ?? "a stage"}: ${of}`;
    case "taking-back":
      return `Taking back: ${of}`;
    case "finished": {
      if (targets.length === 0) return "No machine";
      if (rollout.stopped === null) return of;
      const worst = targets.find(({ outcome }) => outcome !== null && outcome.kind !== "active");
      const named =
        worst?.outcome == null ? "" : `: ${worst.machine} ${wordOf(worst.outcome.kind)}`;
      return `Stopped${named}; ${of}`;
    }
  }
}

function lostOf(targets: readonly TargetRow[]): string {
  const [lost, ...others] = targets.filter(({ state }) => state === "lost");
  if (lost === undefined) return "";
  return `${lost.machine}${others.length === 0 ? " is" : ` and ${others.length} more are`} lost; `;
}

/** What runs there counts, not what ran for a while. */
function isActive({ outcome, back }: TargetRow): boolean {
  return outcome?.kind === "active" && back?.kind !== "active";
}

function factsOf({ purpose, sha, ref, by, rollout, seconds, url }: RolloutView): string[] {
  return [
    `- ${purpose === "deploy" ? "Commit" : "Asked for at"}: ${code(sha)} of ${code(ref)}\n`,
    `- By: ${code(by)}\n`,
    rollout.phase === "finished" && seconds > 0 ? `- Took ${duration(seconds)}\n` : "",
    `- [The run](${url})\n`,
  ];
}

/** What whoever asked says yes to: the very commit, and what it puts where. */
function confirmedOf({ sha, targets }: RolloutView): string[] {
  const lines = targets.map(({ machine, system, before }) => {
    const what = system === null ? "what it builds of the commit" : code(system);
    return `- ${code(machine)}: ${what}${before === null ? "" : `, in place of ${code(before)}`}\n`;
  });
  const more = (left: number) => `- and ${left} more\n`;
  return [
    `\n**To be confirmed by whoever asked:** ${code(sha)} is put on\n\n`,
    bounded(lines, more, lines.length, 20_000),
  ];
}

function row(target: TargetRow, { stages, logs, looks }: RolloutView): string {
  const log = logs.get(target.machine);
  const name = log === undefined ? code(target.machine) : `${code(target.machine)} ([log](${log}))`;
  const running = (target.back ?? target.outcome)?.running ?? null;
  const cells = [
    name,
    code(stages[target.stage]?.label ?? "", 60),
    stateOf(target, looks.get(target.machine) ?? null),
    target.step === null ? "" : target.step,
    running === null ? "" : code(nameOf(running), 120),
  ];
  return `| ${cells.join(" | ")} |\n`;
}

function stateOf(target: TargetRow, look: Look | null): string {
  const { state, direction, outcome, back } = target;
  const forward = outcome === null ? null : said(outcome);
  if (direction === "back") {
    const how = back === null ? "is being taken back" : `taken back: ${said(back)}`;
    return `${forward ?? ""}; ${how}`;
  }
  if (forward !== null) return forward;
  switch (state) {
    case "waiting":
      return "waits for its stage";
    case "asking":
    case "queued":
      return "waits for its turn";
    case "granted":
    case "deploying":
      return "**deploying**";
    case "lost":
      return `**lost**: ${seenOf(look)}`;
    case "withdrawing":
    case "skipped":
      return "not begun";
    case "ending":
    case "ended":
      return "over";
  }
}

function seenOf(look: Look | null): string {
  switch (look?.kind) {
    case "late":
      return "no deploy runner has looked at it for minutes";
    case "unseen":
      return `it could not be looked at: ${code(look.why, 300)}`;
    case "seen":
      return "the machine was seen, and is looked at again: it is not done yet";
    case "asked":
    case undefined:
      return "the machine is being looked at";
  }
}

function said(outcome: NonNullable<TargetRow["outcome"]>): string {
  const why = reasonOf(outcome);
  const word = outcome.kind === "active" ? wordOf(outcome.kind) : `**${wordOf(outcome.kind)}**`;
  return why === null ? word : `${word}: ${code(why, 300)}`;
}

/** What to do next, once for each way in which a machine ended. */
function nextOf(targets: readonly TargetRow[]): string[] {
  const kinds = new Map<string, string[]>();
  for (const { machine, outcome } of targets)
    if (outcome !== null && outcome.kind !== "active")
      kinds.set(outcome.kind, [...(kinds.get(outcome.kind) ?? []), machine]);
  const lost = targets.filter(({ state }) => state === "lost").map(({ machine }) => machine);
  const ended = [...kinds].map(([kind, machines]) => {
    const outcome = targets.find((target) => target.outcome?.kind === kind)?.outcome;
    const advice = outcome == null ? "" : adviceOn(outcome.kind);
    const named = machines.slice(0, 8).map((machine) => code(machine));
    const more =
      machines.length > named.length ? ` and ${machines.length - named.length} more` : "";
    return `- ${named.join(", ")}${more}: ${advice}\n`;
  });
  const lines = [...(lost.length === 0 ? [] : [adviceOnLost(lost)]), ...ended];
  const notices = targets.flatMap(({ machine, outcome }) =>
    outcome?.kind === "active"
      ? outcome.notices.map((one) => `- ${code(machine)}: ${code(one, 300)}\n`)
      : [],
  );
  return [
    ...(lines.length === 0 ? [] : ["\n**What to do**\n\n", ...lines]),
    ...(notices.length === 0 ? [] : ["\n**Notices**\n\n", ...notices]),
  ];
}

/** It is looked at by itself, but somebody may have to see to it that there is anybody to look. */
function adviceOnLost([first = "", ...others]: readonly string[]): string {
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  return `- ${code(first)}${more}: Nobody knows how the deploy ended, and nothing else begins there before the machine was seen. That goes by itself once a deploy runner that may change it is there and reaches it: see to that. If none ever will be, look at the machine yourself; then ${code(`/unlock ${first}`)} (by whoever asked, or somebody with ${code("maintain")}) ends the deploy as unknown.\n`;
}

/** What stands behind the hash, with its first characters: enough to tell two builds of one name apart. */
function nameOf(path: string): string {
  const base = path.slice("/nix/store/".length);
  return `${base.slice(0, 8)}…${base.slice(32)}`;
}
