import type { Needed } from "../../../protocol/data.ts";
import { CLAIM } from "../../../protocol/data.ts";
import type { GraphNode } from "../store/derivations.ts";
import type { Need } from "./plan.ts";
import { reach } from "./plan.ts";

/** Goals to be given back, and what they wait for: one frame. */
export interface Returned {
  readonly needed: Needed[];
  readonly goals: { drv: string; needs: string[] }[];
}

/**
 * Goals that stand on what this runner cannot build, in frames of the protocol's size.
 * @param lacked what the runner lacks for each derivation that it cannot build.
 */
export function returned(
  goals: readonly string[],
  need: Need,
  lacked: ReadonlyMap<string, readonly string[]>,
  node: (drv: string) => GraphNode | undefined,
): Returned[] {
  const frames: { goals: Returned["goals"]; needed: Set<string> }[] = [];
  for (const goal of goals) {
    // What is left out is needed still when the goal comes back.
    const needs = [...reach([goal], need.below)]
      .filter((drv) => drv !== goal && lacked.has(drv))
      .slice(0, CLAIM.needsOfGoal);
    if (needs.length === 0) continue;
    let frame = frames.at(-1);
    if (
      frame === undefined ||
      frame.goals.length >= CLAIM.needs ||
      frame.needed.size + needs.length > CLAIM.needs
    )
      frames.push((frame = { goals: [], needed: new Set() }));
    frame.goals.push({ drv: goal, needs });
    for (const drv of needs) frame.needed.add(drv);
  }
  return frames.map((frame) => ({
    goals: frame.goals,
    needed: [...frame.needed].map((drv) => {
      const { name = "", system = "", features = [] } = node(drv) ?? {};
      return {
        drv,
        name: name.slice(0, 255),
        system,
        features: [...features],
        missing: [...(lacked.get(drv) ?? [])].map((word) => word.slice(0, 256)),
      };
    }),
  }));
}
