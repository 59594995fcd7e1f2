import type { Attack } from "./attack.ts";
import { broken } from "./broken.ts";
import { building } from "./building.ts";
import { forged, greedy } from "./greedy.ts";
import { naming } from "./names.ts";
import { network } from "./network.ts";
import { reading } from "./reading.ts";
import { builtinsOutOfReach, nixConfig } from "./settings.ts";

export type { Attack, Canaries } from "./attack.ts";
export { commitTree } from "./tree.ts";

/**
 * Every attack, for a runner of this system. A test plants the canaries, writes `attack.tree(canaries)` with
 * `commitTree`, lets the runner do its work, and holds the outcome against `attack.expect`.
 */
export function attacks(system: string): readonly Attack[] {
  return [
    ...reading,
    ...building,
    ...network,
    ...nixConfig,
    ...builtinsOutOfReach,
    ...naming(system),
    ...broken(system),
    ...greedy(system),
    ...forged(system),
  ];
}
