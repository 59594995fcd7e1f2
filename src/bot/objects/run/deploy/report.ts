import { adviceOn, reasonOf, wordOf } from "../../../../core/deploy/index.ts";
import type { DeployReason } from "../../../../core/repo/request.ts";
import { buttonsOf } from "../../../../core/command/registry.ts";
import { type CheckBody, code } from "../../../../core/report/index.ts";
import type { Context } from "../context.ts";
import type { Header } from "../rows.ts";
import { concluded } from "../summary.ts";
import { type Target, Targets } from "./targets.ts";

/** Bytes of the check's text. */
const TEXT = 60_000;

/** The one check of a run for machines: what each is at. It is never the check that a merge waits for. */
export function deployCheck(
  context: Context,
  run: Header,
  reason: DeployReason,
): { name: string; body: CheckBody } {
  const { phase, stopped, evaluation } = context.store.run();
  const targets = new Targets(context.store).all();
  const over = phase === "finished";
  const conclusion = over ? concluded(context) : null;
  const confirming = run.rollout?.phase === "confirming";
  const ended = targets.filter(({ target }) => target?.outcome != null).length;
  const title = over
    ? `${reason.what.kind}: ${stopped === null ? (conclusion ?? "") : stopped.kind}`
    : confirming
      ? "Waits to be confirmed by whoever asked for it"
      : phase === "deploying" && run.rollout !== null
        ? `${ended} of ${targets.length} machines`
        : phase === "deploying"
          ? "Planning"
          : phase === "evaluating"
            ? "Evaluating"
            : phase === "building"
              ? "Building"
              : "Preparing";
  const problems = [
    ...(stopped !== null && "message" in stopped ? [stopped.message] : []),
    ...(stopped?.kind === "no-runner" ? stopped.missing.map((one) => `There is not ${one}.`) : []),
    ...(evaluation !== null && evaluation.kind !== "succeeded"
      ? [`The evaluation ended as ${code(evaluation.kind)}.`]
      : []),
    ...context.store.notices(),
    ...(run.rollout?.stopped == null ? [] : [`It was stopped: ${run.rollout.stopped.why}`]),
  ];
  const summary = [
    `Commit ${code(run.head)}, asked for by ${code(run.sender.login)}.`,
    ...problems.map((one) => `- ${one}`),
  ].join("\n");
  const rows = targets.map(rowOf);
  const text =
    rows.length === 0
      ? null
      : `| machine | system | state | what to do |\n|---|---|---|---|\n${rows.join("")}`.slice(0, TEXT);
  return {
    name: `snowcat / ${reason.what.kind}`,
    body: {
      status: over ? "completed" : phase === "preparing" ? "queued" : "in_progress",
      conclusion,
      title,
      summary,
      text,
      annotations: [],
      actions: over ? [] : buttonsOf(confirming ? "confirm" : "cancel"),
    },
  };
}

function rowOf({ machine, target, plan }: Target): string {
  const system = target?.system ?? plan?.manifest.system ?? null;
  const outcome = target?.back ?? target?.outcome ?? null;
  const state =
    outcome === null
      ? (target?.step ?? target?.state ?? (plan === null ? "not planned" : "planned"))
      : `${wordOf(outcome.kind)}${target?.back == null ? "" : " (taken back)"}`;
  const why = outcome === null ? "" : (reasonOf(outcome) ?? "");
  const what = outcome === null ? "" : adviceOn(outcome.kind);
  return `| ${code(machine)} | ${system === null ? "" : code(system)} | ${state}${why === "" ? "" : `: ${code(why, 300)}`} | ${what} |\n`;
}
