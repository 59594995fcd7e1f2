import { declaredIn } from "../config/machines.ts";
import type { Configuration } from "../config/schema.ts";
import { choose, type DeployMachine, isSource, machinesOf } from "../deploy/index.ts";
import type { Answers, Problem } from "./examine.ts";

/** Machines that the configuration and clan's inventory name, and what of them is not there; rollouts and whom they mean. */
export function* deploying(configuration: Configuration, answers: Answers): Iterable<Problem> {
  const { machines: section = {}, rollouts = {} } = configuration;
  const machines = machinesOf(configuration, answers);
  const declared = declaredIn(section);
  yield* named(machines, declared, section.discover !== undefined);
  const { discover = [] } = section;
  if (discover.includes("nixosConfigurations") && seenOf(machines).length === 0)
    yield {
      level: "warning",
      path: ["machines", "discover"],
      message: "nixosConfigurations has no machine, or no entry of evaluate looks at it",
    };
  const { inventory, unread } = answers;
  for (const message of unread)
    yield { level: "error", path: at(discover.length > 0, "machines", "discover"), message };
  if (discover.includes("clan") && inventory.length === 0 && unread.length === 0)
    yield {
      level: "warning",
      path: ["machines", "discover"],
      message: "no flake that is evaluated has machines in a clan inventory (clan.inventory)",
    };
  for (const [name, { stages = [], on, schedule }] of Object.entries(rollouts)) {
    for (const [index, stage] of stages.entries())
      for (const target of typeof stage === "string" ? [stage] : stage.targets)
        yield* meaning(target, machines, ["rollouts", name, "stages", index]);
    if (on !== "schedule" && schedule !== undefined)
      yield {
        level: "error",
        path: ["rollouts", name, "schedule"],
        message: "only `on: schedule` has a schedule",
      };
  }
}

/** How many machines there are of which the evaluation has the system. */
export function countMachines(configuration: Configuration, answers: Answers): number {
  return seenOf(machinesOf(configuration, answers)).length;
}

function* named(
  machines: readonly DeployMachine[],
  declared: ReturnType<typeof declaredIn>,
  discovers: boolean,
): Iterable<Problem> {
  const seen = seenOf(machines);
  const there = seen.length === 0 ? "" : `; there are ${seen.slice(0, 5).join(", ")}`;
  const uncovered: string[] = [];
  for (const { name, method, attribute, problems } of machines) {
    const own = declared[name];
    if (own === undefined) {
      if (attribute === null) uncovered.push(name);
      continue;
    }
    // What builds by itself needs no attribute; one that is named has to be there all the same.
    const closure = !isSource(method);
    if (attribute === null && (closure || own.attribute !== undefined))
      yield {
        level: "error",
        path: ["machines", name, ...(own.attribute === undefined ? [] : ["attribute"])],
        message:
          own.attribute === undefined
            ? `no attribute that is evaluated is the system of ${name}${there}`
            : `${own.attribute} is not among the attributes that are evaluated`,
      };
    // That there is no system, or that it cannot be evaluated, is told of the attribute.
    for (const message of problems.slice(closure && attribute?.drv == null ? 1 : 0))
      yield { level: "warning", path: ["machines", name], message };
  }
  if (uncovered.length > 0)
    yield {
      level: "warning",
      path: at(discovers, "machines", "discover"),
      message: `clan's inventory has machines of which nothing that is evaluated is the system: ${uncovered.slice(0, 10).join(", ")}${uncovered.length > 10 ? ` and ${uncovered.length - 10} more` : ""}`,
    };
}

function* meaning(
  target: string,
  machines: readonly DeployMachine[],
  path: Problem["path"],
): Iterable<Problem> {
  const { machines: meant, unmatched, left } = choose([target], machines);
  if (unmatched.length > 0) yield { level: "error", path, message: `${target} is no machine's` };
  else if (meant.length === 0)
    yield {
      level: "warning",
      path,
      message: `${target} means only machines that ask to be named themselves: ${left.slice(0, 5).join(", ")}`,
    };
}

function seenOf(machines: readonly DeployMachine[]): string[] {
  return machines.filter(({ attribute }) => attribute !== null).map(({ name }) => name);
}

/** A key that is there, else the file as a whole. */
function at(there: boolean, ...path: Problem["path"]): Problem["path"] {
  return there ? path : [];
}
