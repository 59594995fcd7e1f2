import { attributeName } from "../../protocol/attribute.ts";
import { matchTargets, type Target } from "../command/targets.ts";
import { declaredIn } from "../config/machines.ts";
import type { Configuration } from "../config/schema.ts";
import { declaredMachines, machineOf } from "../impact/index.ts";
import type { Answers, Problem } from "./examine.ts";

/** Machines that the evaluation has, and those of the configuration that it has not; rollouts and the machines they name. */
export function* deploying(configuration: Configuration, answers: Answers): Iterable<Problem> {
  const { machines = {}, rollouts = {} } = configuration;
  const evaluated = machinesOf(configuration, answers);
  const { discover } = machines;
  const declared = declaredIn(machines);
  for (const name of Object.keys(declared))
    if (!evaluated.has(name))
      yield {
        level: "error",
        path: ["machines", name],
        message: `no attribute that is evaluated is the system of ${name}${evaluated.size === 0 ? "" : `; there are ${[...evaluated].slice(0, 5).join(", ")}`}`,
      };
  if (discover?.includes("nixosConfigurations") === true && evaluated.size === 0)
    yield {
      level: "warning",
      path: ["machines", "discover"],
      message: "nixosConfigurations has no machine, or no entry of evaluate looks at it",
    };
  const targets: Target[] = [...new Set([...evaluated, ...Object.keys(declared)])].map((name) => ({
    name,
    tags: declared[name]?.tags ?? [],
    roles: declared[name]?.roles ?? [],
  }));
  for (const [name, { stages = [], on, schedule }] of Object.entries(rollouts)) {
    for (const [at, stage] of stages.entries()) {
      for (const target of typeof stage === "string" ? [stage] : stage.targets) {
        // Roles are the inventory's as well, which nothing here evaluates.
        if (target.startsWith("role:")) continue;
        if (matchTargets([target], targets).targets.length === 0)
          yield {
            level: "error",
            path: ["rollouts", name, "stages", at],
            message: `${target} is no machine's`,
          };
      }
    }
    if ((on === "schedule") !== (schedule !== undefined))
      yield {
        level: "error",
        path: ["rollouts", name, on === "schedule" ? "on" : "schedule"],
        message: on === "schedule" ? "there is no schedule" : "only `on: schedule` has a schedule",
      };
  }
}

/** Names of the machines that the evaluation has. */
export function machinesOf(
  configuration: Configuration,
  { attributes, selections }: Pick<Answers, "attributes" | "selections">,
): Set<string> {
  const declared = new Set(declaredMachines(configuration).names);
  return new Set(
    attributes.flatMap(({ selection, path }) => {
      const kind = selections[selection]?.kind ?? "flake";
      const name = machineOf(`${kind}:`, attributeName(path), declared);
      return name === null ? [] : [name];
    }),
  );
}
