import type { MachinePlan, Observation } from "../../protocol/machine.ts";
import type { TicketRow } from "./rows.ts";
import type { TargetRow } from "./stages.ts";

export type RollbackTo =
  /** `system` is what that generation must be; null where nobody has looked. */
  | { kind: "generation"; number: number | null; system: string | null }
  | { kind: "refused"; why: string };

/**
 * What a rollback goes back to: the generation that is named, else the one before. Generations that nobody has seen are left
 * to the machine to find.
 * @param sick systems that were taken back here: a tool may have left them a generation, and none of them is "before".
 */
export function rollbackTo(
  generation: number | null,
  observation: Observation | null,
  sick: ReadonlySet<string> = new Set(),
): RollbackTo {
  if (observation === null) return { kind: "generation", number: generation, system: null };
  const { generations, profile, system } = observation;
  const meant =
    generation === null
      ? generations
          .filter((one) => profile !== null && one.number < profile.number && !sick.has(one.system))
          .toSorted((a, b) => b.number - a.number)[0]
      : generations.find(({ number }) => number === generation);
  if (meant === undefined)
    return {
      kind: "refused",
      why: `It has no ${generation === null ? "generation before the one that boots" : `generation ${generation}`}. There are: ${listOf(observation)}.`,
    };
  if (meant.system === system && meant.number === profile?.number)
    return { kind: "refused", why: `It runs and boots generation ${meant.number} already.` };
  return { kind: "generation", number: meant.number, system: meant.system };
}

function listOf({ generations }: Observation): string {
  const numbers = generations.slice(0, 12).map(({ number }) => String(number));
  return numbers.length === 0 ? "none" : numbers.join(", ");
}

/** Systems whose newest deploy here was taken back. */
export function sickOf(history: readonly TicketRow[]): Set<string> {
  const last = new Map<string, boolean>();
  for (const { system, purpose, outcome } of history.toSorted((a, b) => a.order - b.order))
    if (purpose === "deploy" && outcome?.kind === "rolled-back" && system !== null)
      last.set(system, true);
    else if (outcome?.kind === "active") last.set(outcome.system, false);
  return new Set([...last].flatMap(([system, sick]) => (sick ? [system] : [])));
}

/** The newest deploy that left a system active that does not run now: the last good one to go back to. */
export function lastGood(
  history: readonly TicketRow[],
  running: string | null,
): { system: string; sha: string } | null {
  for (const { outcome, sha, system } of history.toSorted((a, b) => b.order - a.order))
    if (
      outcome?.kind === "active" &&
      (system === null || outcome.system === system) &&
      outcome.system !== running
    )
      return { system: outcome.system, sha };
  return null;
}

/** What is said of machines that a migration may have changed, and that were taken back from it. */
export function migrationsLeft(
  machines: readonly {
    machine: string;
    plan: Pick<MachinePlan, "warnings"> | null;
    target: Pick<TargetRow, "outcome" | "back"> | null;
  }[],
): string[] {
  return machines.flatMap(({ machine, plan, target }) => {
    const migrates = plan?.warnings.some(({ rule }) => rule === "migration") === true;
    const returned = target?.outcome?.kind === "rolled-back" || target?.back != null;
    return migrates && returned
      ? [
          `${machine} was taken back from a system that may have migrated its data: what was migrated stays migrated.`,
        ]
      : [];
  });
}

/** The commit that a system was deployed from by this repository; null where nobody knows. */
export function sourcesOf(
  history: readonly TicketRow[],
  system: string | null,
  repository: number,
): string | null {
  const put = history
    .filter(
      ({ purpose, owner, outcome }) =>
        purpose === "deploy" &&
        owner.repository === repository &&
        outcome?.kind === "active" &&
        outcome.system === system,
    )
    .toSorted((a, b) => b.order - a.order)[0];
  return put?.sha ?? null;
}
