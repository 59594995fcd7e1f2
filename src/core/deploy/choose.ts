import { matchTargets, type Target } from "../command/targets.ts";
import type { Rollout } from "../config/machines.ts";
import type { StageRow } from "./stages.ts";

/** Which machines a deploy is about, in which stages. */

type Choosable = Target & { explicit: boolean };

export type Chosen = {
  /** In the order of the enumeration. */
  machines: string[];
  /** Patterns that nothing fits: whoever typed one is told, and nothing is done. */
  unmatched: string[];
  /** Machines that a pattern would mean if they did not ask to be named themselves. */
  left: string[];
};

/** What patterns mean: names, globs, `tag:a,b` (all of them), `role:x`. Explicit machines are meant by their name only. */
export function choose(patterns: readonly string[], machines: readonly Choosable[]): Chosen {
  const { targets, unmatched } = matchTargets(patterns, machines);
  const meant = targets.filter(({ explicit, name }) => !explicit || patterns.includes(name));
  return {
    machines: meant.map(({ name }) => name),
    unmatched,
    left: targets.filter((target) => !meant.includes(target)).map(({ name }) => name),
  };
}

export type Stages = {
  stages: Omit<StageRow, "n">[];
  /** Each machine with the number of its stage; one that fits several is in the first. */
  machines: { machine: string; stage: number }[];
  unmatched: string[];
  /** What becomes of machines that are done when it stops. */
  onFailure: "stop" | "take-back";
};

/** The stages of a configured rollout. A stage without a machine is one that nothing fits: it is told. */
export function stagesOf(rollout: Rollout, machines: readonly Choosable[]): Stages {
  const onFailure = rollout.on_failure ?? "stop";
  const found: Stages = { stages: [], machines: [], unmatched: [], onFailure };
  const taken = new Set<string>();
  for (const [at, stage] of (rollout.stages ?? ["*"]).entries()) {
    const own = typeof stage === "string" ? { targets: [stage] } : stage;
    const { machines: meant, unmatched } = choose(own.targets, machines);
    found.unmatched.push(...unmatched);
    found.stages.push({
      label: own.targets.join(" "),
      parallel: own.parallel ?? rollout.parallel ?? 1,
      maxFailures: own.max_failures ?? rollout.max_failures ?? 0,
      pauseSeconds: own.pause_seconds ?? rollout.pause_seconds ?? 0,
    });
    for (const machine of meant) {
      if (taken.has(machine)) continue;
      taken.add(machine);
      found.machines.push({ machine, stage: at });
    }
  }
  return found;
}

/**
 * Stages of machines that somebody named: those of the first rollout (in the order of the configuration) that has them all,
 * else one after the other. Stages that lose all their machines are left out.
 */
export function stagesOfNamed(
  names: readonly string[],
  rollouts: Readonly<Record<string, Rollout>>,
  machines: readonly Choosable[],
): Omit<Stages, "unmatched"> {
  const wanted = new Set(names);
  for (const rollout of Object.values(rollouts)) {
    const { stages, machines: all, onFailure } = stagesOf(rollout, machines);
    const ours = all.filter(({ machine }) => wanted.has(machine));
    if (ours.length < wanted.size || wanted.size === 0) continue;
    const used = [...new Set(ours.map(({ stage }) => stage))].toSorted((a, b) => a - b);
    return {
      stages: used.flatMap((n) => stages[n] ?? []),
      machines: ours.map(({ machine, stage }) => ({ machine, stage: used.indexOf(stage) })),
      onFailure,
    };
  }
  return {
    stages: [{ label: names.join(" "), parallel: 1, maxFailures: 0, pauseSeconds: 0 }],
    machines: [...wanted].map((machine) => ({ machine, stage: 0 })),
    onFailure: "stop",
  };
}

/**
 * Machines that must be active on the commit before these are touched: those of earlier stages of every rollout that has
 * one of these later. What the same deploy is about itself is left to its own stages.
 */
export function earlierOf(
  names: readonly string[],
  rollouts: Readonly<Record<string, Rollout>>,
  machines: readonly Choosable[],
): string[] {
  const wanted = new Set(names);
  const earlier = new Set<string>();
  for (const rollout of Object.values(rollouts)) {
    const { machines: all } = stagesOf(rollout, machines);
    const last = Math.max(
      -1,
      ...all.flatMap((one) => (wanted.has(one.machine) ? [one.stage] : [])),
    );
    for (const { machine, stage } of all)
      if (stage < last && !wanted.has(machine)) earlier.add(machine);
  }
  return [...earlier].toSorted();
}
