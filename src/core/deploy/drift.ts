import type { Observation } from "../../protocol/machine.ts";
import { bounded } from "../report/bounded.ts";
import { code } from "../report/escape.ts";
import { duration } from "../report/time.ts";

/** Whether machines are what the default branch says, and what to do where they are not. */

export type DriftQuestion = {
  now: number;
  machine: string;
  /** How often it is looked at (ms). */
  every: number;
  /** When it answered last, and why it did not since; null: it never was seen, nothing is wrong. */
  observation: Observation | null;
  unreachable: string | null;
  /** The newest deployment that left it active. */
  deployed: Deployed | null;
  /** Its system on the default branch; null where that is not known. */
  wanted: { system: string; sha: string } | null;
  /** The default branch's head: what is offered; null where it is not known. */
  head: string | null;
};

export type Deployed = {
  system: string;
  /** Null of an earlier generation of which nobody knows the commit. */
  sha: string | null;
  /** Of a pull request: whether it was merged; null while it is open. */
  pull: { number: number; merged: boolean | null } | null;
  /** For another repository of the account. */
  foreign: boolean;
};

export type Drift = {
  machine: string;
  kind:
    | "unobserved"
    | "unfinished"
    | "unknown-system"
    | "unmerged"
    | "behind"
    | "boots-other"
    | "failed-units"
    | "updates-itself";
  /** What is seen, and what to do, as Markdown. */
  why: string;
};

/** Looks that may fail in a row before somebody is told: a machine that reboots is no drift. */
const LOOKS = 3;

export function driftOf(question: DriftQuestion): Drift[] {
  const { machine, observation, unreachable, now, every } = question;
  const found: Drift[] = [];
  const add = (kind: Drift["kind"], why: string) => found.push({ machine, kind, why });
  if (observation === null) {
    if (unreachable !== null) add("unobserved", `It was never seen: ${code(unreachable, 300)}`);
    return found;
  }
  const age = now - observation.at;
  if (age > LOOKS * every)
    add(
      "unobserved",
      `It was last seen ${duration(age / 1_000)} ago${unreachable === null ? "" : `: ${code(unreachable, 300)}`}. What follows is from then.`,
    );
  if (observation.unfinished !== null)
    add(
      "unfinished",
      `A deploy (${code(String(observation.unfinished.counter))}) began there and has not ended; it stands at ${code(observation.unfinished.step)}.`,
    );
  ofSystem(question, observation, add);
  const boots = observation.profile?.system ?? null;
  if (boots !== null && observation.system !== null && boots !== observation.system)
    add("boots-other", `It runs ${path(observation.system)} and would boot ${path(boots)}.`);
  const failed = observation.failedUnits ?? [];
  if (failed.length > 0) {
    const named = failed.slice(0, 10).map((unit) => code(unit, 100));
    const more = failed.length > named.length ? ` and ${failed.length - named.length} more` : "";
    add("failed-units", `Units have failed: ${named.join(", ")}${more}.`);
  }
  if (observation.updaters.length > 0)
    add(
      "updates-itself",
      `It updates itself by ${observation.updaters.map((unit) => code(unit, 100)).join(", ")}: what is deployed may not stay.`,
    );
  return found;
}

function ofSystem(
  { machine, deployed, wanted, head }: DriftQuestion,
  { system }: Observation,
  add: (kind: Drift["kind"], why: string) => void,
): void {
  if (system === null) return add("unknown-system", "What it runs could not be read.");
  // What the default branch has is right, whoever put it there.
  if (wanted !== null && system === wanted.system) return;
  // Of a machine that was never deployed to, and that no run of the branch has built, nothing is known to be wrong.
  if (deployed === null && wanted === null) return;
  const offer = head === null ? "" : ` ${offerOf(machine, head)}`;
  if (deployed === null || deployed.system !== system) {
    const last =
      deployed === null ? "No deploy put it there" : `It was deployed ${path(deployed.system)}`;
    return add("unknown-system", `${last}, and it runs ${path(system)}.${offer}`);
  }
  const { pull, sha, foreign } = deployed;
  if (foreign && wanted !== null)
    return add("behind", `It runs what another repository of the account deployed.${offer}`);
  if (pull?.merged === false)
    return add(
      "unmerged",
      `It runs ${commit(sha)} of #${pull.number}, which was closed without being merged.${offer}`,
    );
  // A pull request that is open is tried out; it is looked at again when it closes.
  if (pull?.merged === null || wanted === null) return;
  add("behind", `It runs ${commit(sha)}.${offer}`);
}

function commit(sha: string | null): string {
  return sha === null ? "an earlier generation" : code(sha.slice(0, 10));
}

/** What puts a machine right; a commit that is named in full cannot be another one by the time it is read. */
function offerOf(machine: string, head: string): string {
  return `${code(`/deploy ${machine} ${head}`)}, said at any pull request, puts the default branch there.`;
}

/**
 * To whoever closed a pull request that machines run: a comment, for somebody has to act. Null where none runs it.
 * @param pull its number
 */
export function leftBehind(
  drifts: readonly Drift[],
  pull: number,
  head: string | null,
): string | null {
  const machines = drifts.flatMap(({ kind, machine }) => (kind === "unmerged" ? [machine] : []));
  const [first] = machines;
  if (first === undefined) return null;
  const named = machines.slice(0, 30).map((one) => code(one));
  const more = machines.length > named.length ? ` and ${machines.length - named.length} more` : "";
  const offer =
    head === null
      ? "Deploy the default branch to bring them back."
      : `${code(`/deploy ${machines.slice(0, 30).join(" ")} ${head}`)} puts the default branch there, ${code(`/rollback ${first}`)} what ran before; both can be said here.`;
  return `#${pull} was closed without being merged, and ${named.join(", ")}${more} still ${machines.length === 1 ? "runs" : "run"} it. ${offer}`;
}

function path(system: string): string {
  return code(system.slice("/nix/store/".length), 200);
}

/** One issue for the fleet of a repository; null where nothing drifts, and it is closed. */
export function driftIssue(
  drifts: readonly Drift[],
  machines: number,
  url: string,
): { title: string; body: string } | null {
  const drifting = new Map(Map.groupBy(drifts, ({ machine }) => machine));
  if (drifting.size === 0) return null;
  const parts = [...drifting].flatMap(([machine, all]) => [
    `\n#### ${code(machine)}\n\n${all.map(({ why }) => `- ${why}\n`).join("")}`,
  ]);
  const body = `Machines are not what the default branch says. This issue is kept up to date, and is closed when nothing drifts any more.\n${bounded(parts, (left) => `\n${left} more machines: [the fleet](${url}) has them.\n`, parts.length, 60_000)}`;
  return {
    title: `Drift: ${drifting.size} of ${machines} ${machines === 1 ? "machine" : "machines"}`,
    body,
  };
}
