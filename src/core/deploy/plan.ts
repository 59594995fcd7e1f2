import type { MachinePlan, Method } from "../../protocol/machine.ts";
import { closureLines } from "../impact/details.ts";
import { closureCell, packagesCell } from "../impact/section.ts";
import { bounded, bytes } from "../report/bounded.ts";
import { code, exact } from "../report/escape.ts";
import { duration } from "../report/time.ts";
import { lacksOf } from "./lacks.ts";

/** A machine as a plan shows it. */
export type ShownPlan = {
  machine: string;
  /** As the configuration has its stage; null where there is one alone. */
  stage: string | null;
  method: Method;
  /** Null where it could not be planned; `why` says it then. Of a machine with a `source` there is none. */
  plan: MachinePlan | null;
  /** What it builds from by itself: the tree's object name, and what runs, as Markdown. Null for a closure. */
  source: { tree: string; by: string; running: string | null } | null;
  why: string | null;
  /** When the machine was seen last (Unix ms); null: never. */
  observedAt: number | null;
  /** Units by which it updates itself. */
  updaters: readonly string[];
  /** Whether something is run before the activation to save its data. */
  backup: boolean;
  /** Why it would not be deployed now, as Markdown. */
  inTheWay: readonly string[];
};

export type PlanView = {
  sha: string;
  machines: readonly ShownPlan[];
  /** Why nothing would be deployed now, as Markdown. */
  inTheWay: readonly string[];
  /** The exact comment that carries it out or confirms it; null where there is none. */
  command: string | null;
  now: number;
  url: string;
};

/** Bytes of a plan: a check run's field has 65,535, and others stand beside it. */
const PLAN_BYTES = 40_000;
/** Names of units in one row. */
const UNITS = 12;

/** What deploying a commit would change, as Markdown: machines, warnings, then details. It says what is not known. */
export function planSection(view: PlanView, limit = PLAN_BYTES): string {
  const { machines, sha, url } = view;
  const head = `### Plan\n\n${headline(view)}\n`;
  const foot = `\n[The run](${url}) · ${code(sha.slice(0, 10))}. A plan contacts no machine and executes nothing of what it shows.\n`;
  const stages = machines.some(({ stage }) => stage !== null);
  const columns = [
    "machine",
    ...(stages ? ["stage"] : []),
    "closure",
    "packages",
    "units",
    "reboot",
    "seen",
  ];
  const table = [
    `\n| ${columns.join(" | ")} |\n|${"---|".repeat(columns.length)}\n`,
    ...machines.map((machine) => row(machine, stages, view.now)),
  ];
  const lists = [
    ...list("In the way", wayOf(view)),
    ...list(
      "Warnings",
      machines.flatMap((machine) => [...warningsOf(machine)]),
    ),
    ...(view.command === null ? [] : [`\nThis carries it out:\n\n${exact(view.command)}\n`]),
  ];
  const details = machines.flatMap((machine) => [...detailsOf(machine)]);
  const room = limit - bytes(head) - bytes(foot);
  const shownTable = bounded(
    table,
    (left) => leftOut(left, "machines", url),
    table.length,
    room / 2,
  );
  const rest = room - bytes(shownTable);
  const shownLists = bounded(lists, (left) => leftOut(left, "lines", url), lists.length, rest / 2);
  const open = "\n<details><summary>What changes in each machine</summary>\n\n";
  const close = "\n</details>\n";
  const last = rest - bytes(shownLists) - bytes(open) - bytes(close);
  const shownDetails =
    details.length === 0 || last < 500
      ? ""
      : `${open}${bounded(details, (left) => leftOut(left, "lines", url), details.length, last)}${close}`;
  return `${head}${shownTable}${shownLists}${shownDetails}${foot}`;
}

function headline({ machines }: PlanView): string {
  const closures = machines.filter(({ source }) => source === null);
  const sources = machines.length - closures.length;
  const changed = closures.filter(
    ({ plan }) => plan !== null && plan.running !== plan.manifest.system,
  );
  const unplanned = closures.filter(({ plan }) => plan === null).length;
  const same = closures.length - changed.length - unplanned;
  const parts = [
    ...(closures.length > 0
      ? [
          `${changed.length} of ${machines.length} ${machines.length === 1 ? "machine" : "machines"} would change`,
        ]
      : []),
    ...(sources > 0
      ? [
          `${sources} ${sources === 1 ? "builds" : "build"} by ${sources === 1 ? "itself" : "themselves"}`,
        ]
      : []),
    ...(same > 0 ? [`${same} ${same === 1 ? "runs" : "run"} it already`] : []),
    ...(unplanned > 0 ? [`${unplanned} could not be planned`] : []),
  ];
  return `**${parts.join(", ")}.**`;
}

function row(machine: ShownPlan, stages: boolean, now: number): string {
  const { plan, source, observedAt } = machine;
  const seen =
    observedAt === null ? "never" : `${duration(Math.max(0, now - observedAt) / 1_000)} ago`;
  const what =
    source !== null
      ? [`tree ${code(source.tree.slice(0, 10))}; not shown`, "", "", "not known"]
      : plan === null
        ? [`not planned: ${code(machine.why ?? "nobody said why", 160)}`, "", "", ""]
        : plan.running === plan.manifest.system
          ? ["runs it already", "", "", ""]
          : [
              plan.closure.kind === "known"
                ? closureCell(plan.closure)
                : `${plan.manifest.paths} paths; not compared`,
              plan.closure.kind === "known" ? packagesCell(plan.closure) : "",
              unitsCell(plan.units),
              plan.reboot === null ? "not known" : plan.reboot ? "**needed**" : "no",
            ];
  const stage = stages ? [machine.stage === null ? "" : code(machine.stage, 60)] : [];
  return `| ${[code(machine.machine), ...stage, ...what, seen].join(" | ")} |\n`;
}

function unitsCell(units: MachinePlan["units"]): string {
  if (units.kind === "unknown") return "not known";
  const told = (["start", "stop", "restart", "reload", "left"] as const)
    .filter((action) => units[action].count > 0)
    .map((action) => `${units[action].count} ${WORDS[action]}`);
  return told.length === 0 ? "none" : told.join(", ");
}

const WORDS = {
  start: "start",
  stop: "stop",
  restart: "restart",
  reload: "reload",
  left: "left alone",
} as const;

function* wayOf({ inTheWay, machines }: PlanView): Iterable<string> {
  yield* inTheWay;
  for (const machine of machines) yield* machine.inTheWay;
}

function* warningsOf({ machine, plan, updaters, backup }: ShownPlan): Iterable<string> {
  const name = code(machine);
  for (const updater of updaters.slice(0, 4))
    yield `${name} updates itself by ${code(updater, 100)}: what is deployed may not stay.`;
  for (const { rule, message } of plan?.warnings ?? []) {
    const saved =
      rule === "migration" && backup ? " The machine's backup command is run before." : "";
    yield `${name}, ${code(rule)}: ${code(message, 500)}.${saved}`;
  }
}

function* detailsOf({ machine, method, plan, source }: ShownPlan): Iterable<string> {
  if (source !== null) {
    const { tree, by, running } = source;
    yield `\n**${code(machine)}** runs ${running === null ? "what nobody has seen" : code(running)}\n\n`;
    yield `- The tree ${code(tree)} is what is approved, by ${by}.\n`;
    yield "- Its system is built after that, so packages, sizes, units and whether it must be started anew are not shown. What comes of it is read from the machine afterwards.\n";
    yield* lackLines(method);
    return;
  }
  if (plan === null || plan.running === plan.manifest.system) return;
  yield `\n#### ${code(machine)}\n\n- Runs: ${plan.running === null ? "not known" : code(plan.running)}\n- Would run: ${code(plan.manifest.system)}\n`;
  yield* lackLines(method);
  if (plan.units.kind === "unknown")
    yield `- The units were not compared: ${code(plan.units.why, 500)}\n`;
  else
    for (const action of ["restart", "start", "stop", "reload", "left"] as const) {
      const { count, units } = plan.units[action];
      if (count === 0) continue;
      const named = units.slice(0, UNITS).map((unit) => code(unit, 100));
      const more = count > named.length ? ` and ${count - named.length} more` : "";
      yield `- ${WORDS[action]}: ${named.join(", ")}${more}\n`;
    }
  if (plan.closure.kind === "unknown")
    yield `- The closures were not compared: ${code(plan.closure.why, 500)}\n`;
  else yield* closureLines(plan.closure);
}

/** What its method cannot do as it is meant. */
function* lackLines(method: Method): Iterable<string> {
  for (const { step, why } of lacksOf(method)) yield `- Step ${code(step)}: ${why}.\n`;
}

function list(title: string, lines: Iterable<string>): string[] {
  const all = [...lines].map((one) => `- ${one}\n`);
  return all.length === 0 ? [] : [`\n**${title}**\n\n`, ...all];
}

function leftOut(left: number, what: string, url: string): string {
  return `\n${left} more ${what} are not shown here: [the run](${url}) has them.\n`;
}
