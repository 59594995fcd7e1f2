import type { Observation } from "../../protocol/machine.ts";
import { type Deployed, type Drift, driftOf } from "./drift.ts";
import type { MachineRow, TicketRow } from "./rows.ts";

/** The machines of one repository together, as their objects know them. */

export type SeenMachine = {
  /** As the repository calls it. */
  name: string;
  /** Whether a runner that may look at it is here. */
  online: boolean;
  observation: Observation | null;
  unreachable: MachineRow["unreachable"];
  /** Deploys that have not ended, and those that have, newest first. */
  open: readonly TicketRow[];
  history: readonly TicketRow[];
};

export type FleetQuestion = {
  now: number;
  /** How often machines are looked at (ms). */
  every: number;
  /** Numeric id: what others deployed is theirs. */
  repository: number;
  machines: readonly SeenMachine[];
  /** Systems of machines on the default branch, as far as its newest judged commit was built. */
  wanted: ReadonlyMap<string, { system: string; sha: string }>;
  head: string | null;
  /** Whether a pull request was merged; null while it is open, and where that is not known. */
  merged: (pull: number) => boolean | null;
};

/** How the machines differ from the default branch. One that is being changed right now is none of them. */
export function fleetDrift(question: FleetQuestion): Drift[] {
  const { now, every, machines, wanted, head } = question;
  return machines
    .filter(({ open }) => !open.some(({ state }) => state === "begun"))
    .flatMap((seen) =>
      driftOf({
        now,
        every,
        machine: seen.name,
        observation: sinceDeploy(seen),
        unreachable: seen.online
          ? (seen.unreachable?.why ?? null)
          : "no runner that may look at it is here",
        deployed: deployedOf(seen.history, question),
        wanted: wanted.get(seen.name) ?? null,
        head,
      }),
    );
}

/**
 * What was seen last, with what the last deploy's end says beside: its own look comes before its end, and may come late. A
 * deploy whose end is told is over, whatever the machine said while it was at it.
 */
function sinceDeploy({ observation, history }: SeenMachine): Observation | null {
  const last = history.find(({ outcome, counter }) => outcome !== null && counter !== null);
  if (observation === null || last?.outcome == null) return observation;
  const { outcome, counter, changedAt } = last;
  const told = observation.unfinished?.counter === counter && outcome.kind !== "unknown";
  const now = told ? { ...observation, unfinished: null } : observation;
  const { running } = outcome;
  if (running === null || running === now.system || changedAt < now.at) return now;
  return { ...now, system: running, profile: null };
}

/** The newest deploy that left it active. An earlier generation is known by the deploy that had put it there. */
function deployedOf(
  history: readonly TicketRow[],
  { repository, merged }: FleetQuestion,
): Deployed | null {
  const last = history.find(({ outcome }) => outcome?.kind === "active");
  if (last?.outcome?.kind !== "active") return null;
  const { system } = last.outcome;
  const put =
    last.purpose === "deploy"
      ? last
      : history.find(
          ({ purpose, outcome }) =>
            purpose === "deploy" && outcome?.kind === "active" && outcome.system === system,
        );
  const foreign = last.owner.repository !== repository;
  const pull = put?.owner.repository === repository ? put.owner.pull : null;
  return {
    system,
    sha: put?.sha ?? null,
    pull: pull === null ? null : { number: pull, merged: merged(pull) },
    foreign,
  };
}
