import type { ClosureDifference, MachineDifference } from "../../protocol/impact.ts";
import { bounded, bytes } from "../report/bounded.ts";
import { code } from "../report/escape.ts";
import { NOISE } from "./closure.ts";
import type { Change, ComparedMachine, Difference } from "./compare.ts";
import { detailsOf, size } from "./details.ts";

/** A machine as the section shows it. */
export type ShownMachine = ComparedMachine & {
  /** Null where nobody has looked (yet). */
  difference: MachineDifference | null;
  /** Why it cannot be evaluated, where it cannot. */
  error: string | null;
  /** As an inventory has them. */
  tags: string[];
};

/** How far the comparison with the base is. */
export type ImpactState =
  | { kind: "unknown"; why: string }
  /** `looking`: machines are still being looked into. `left`: why those without a difference have none. */
  | { kind: "compared"; looking: boolean; left: string | null };

export type Impact = {
  /** Full object names: what was compared with what. */
  base: string | null;
  built: string;
  state: ImpactState;
  /** Null until it is compared. */
  difference: Difference | null;
  /** In order of their names; may be fewer than `total`. */
  machines: ShownMachine[];
  uncovered: string[];
  /**
   * Whether flakes may read the revision. `separated`: what differs by it alone was told apart; `mixed`: it was not;
   * `shown`: the base was seen under this revision only.
   */
  revision: "unread" | "separated" | "mixed" | "shown";
  url: string;
};

/** Bytes of the section: the comment has others beside it, and GitHub takes 65,536 characters. */
export const SECTION_BYTES = 40_000;

/** Part of the section that one list of names may take. */
const LIST = 1 / 10;

/** What a pull request changes, as a section of its comment: machines first, then attributes. */
export function impactSection(impact: Impact, limit = SECTION_BYTES): string {
  const { base, built, state, difference, url } = impact;
  const against = base === null ? "its base" : `its base (${code(base.slice(0, 10))})`;
  const head = `### Impact\n\n`;
  const foot = `\n[The run](${url}) · ${code(built.slice(0, 10))} against ${against}\n`;
  if (state.kind === "unknown") return `${head}**Unknown.** ${state.why}\n${foot}`;
  if (difference === null) throw new Error("a comparison that is made has a difference");
  const machines = groups(impact.machines);
  const intro = [
    `${impactHeadline(difference, impact.machines)}\n`,
    attributes(difference),
    ...notes(impact, limit),
  ].join("");
  const rows = machines.shown.map(row);
  const table =
    rows.length === 0
      ? []
      : ["\n| machine | what | closure | packages |\n|---|---|---|---|\n", ...rows];
  const quiet = [
    list("Unchanged", machines.same, limit),
    list("Changed by the revision alone", machines.revision, limit),
  ].filter((text) => text !== "");
  const details = machines.shown.flatMap((machine) =>
    machine.difference === null ? [] : [...detailsOf(machine, machine.difference)],
  );
  const open = "\n<details><summary>What changes in each machine</summary>\n\n";
  const close = "\n</details>\n";
  const room = limit - bytes(head) - bytes(intro) - bytes(foot) - bytes(quiet.join(""));
  // Rows come before details: a machine that is not named at all would be hidden.
  const shownTable = bounded(table, (left) => leftOut(left, "machines", url), table.length, room);
  const rest = room - bytes(shownTable) - bytes(open) - bytes(close);
  const shownDetails =
    details.length === 0 || rest < 500
      ? ""
      : `${open}${bounded(details, (left) => leftOut(left, "lines", url), details.length, rest)}${close}`;
  return `${head}${intro}${shownTable}${quiet.join("")}${shownDetails}${foot}`;
}

type Groups = { shown: ShownMachine[]; same: string[]; revision: string[] };

/** What needs looking at comes first. */
export const ORDER: readonly Change[] = [
  "broken",
  "faulty",
  "changed",
  "repaired",
  "added",
  "removed",
];

function groups(machines: readonly ShownMachine[]): Groups {
  const of = (change: Change): ShownMachine[] => machines.filter((one) => one.change === change);
  return {
    shown: ORDER.flatMap(of),
    same: of("same").map(labelOf),
    revision: of("revision").map(labelOf),
  };
}

/** A machine's name, with the file it is declared in. */
export function labelOf({ machine, selection }: ComparedMachine): string {
  return selection.startsWith("file:") ? `${machine} (${selection.slice(5)})` : machine;
}

/** What a person reads first: Markdown with nothing in it but emphasis. */
export function impactHeadline(difference: Difference, machines: readonly ShownMachine[]): string {
  const { shown, revision } = groups(machines);
  const total = machines.length;
  const changes = difference.changed + difference.added + difference.removed;
  if (changes + (difference.revision ?? 0) === 0 && shown.length === 0) {
    return total === 0
      ? `**Nothing changes:** none of ${difference.of} attributes differs.`
      : `**Nothing changes:** ${total === 1 ? "the machine's derivation is" : `the derivations of all ${total} machines are`} the same, and so ${difference.of === 1 ? "is the one attribute" : `are all ${difference.of} attributes`}.`;
  }
  const moving = shown.filter(({ change }) => change !== "faulty").length;
  if (total === 0) return `No machine was found among ${count(difference.of, "attribute")}.`;
  if (moving > 0)
    return `**${moving} of ${count(total, "machine")} ${moving === 1 ? "changes" : "change"}.**`;
  if (shown.length > 0)
    return `**No machine is seen to change**, and ${count(shown.length, "machine")} cannot be evaluated, here or on the base.`;
  return revision.length > 0
    ? `**No machine changes but by the revision:** ${revision.length} of ${total} differ in nothing else.`
    : `**No machine changes:** ${total === 1 ? "its derivation is" : `the derivations of all ${total} are`} the same.`;
}

function attributes({ of, changed, added, removed, revision = 0 }: Difference): string {
  const told = [
    [changed, "changed"],
    [added, "added"],
    [removed, "removed"],
    [revision, "changed by the revision alone"],
  ]
    .filter(([number]) => number !== 0)
    .map(([number, word]) => `${number} ${word}`);
  if (told.length === 0) return "";
  return `\nAttributes: ${told.join(", ")}, of ${of}.\n`;
}

/** What reading the revision means for what is shown; null where it means nothing. */
export function revisionNote(revision: Impact["revision"]): string | null {
  switch (revision) {
    case "unread":
    case "separated":
      return null;
    case "mixed":
      return "The flake reads its revision (`revision: true`): what is called changed may differ by that alone.";
    case "shown":
      return "The flake reads its revision (`revision: true`), and the base was evaluated under this commit's: what differs by that alone is not to be seen here.";
  }
}

function notes({ revision, uncovered, state }: Impact, limit: number): string[] {
  const found: string[] = [];
  const reading = revisionNote(revision);
  if (reading !== null) found.push(reading);
  if (uncovered.length > 0)
    found.push(
      `Declared in the configuration or named in the inventory, and **not covered**: nothing that was evaluated is the machine ${some(uncovered, limit)}.`,
    );
  if (state.kind === "compared" && state.looking)
    found.push("What changes inside the machines is being looked at.");
  if (state.kind === "compared" && state.left !== null)
    found.push(`Machines without details were not looked into: ${state.left}`);
  return found.map((note) => `\n${note}\n`);
}

function row(machine: ShownMachine): string {
  const { difference, change } = machine;
  const closure =
    difference === null
      ? ""
      : difference.closure.kind === "unknown"
        ? "not known"
        : closureCell(difference.closure);
  const packages = difference?.closure.kind === "known" ? packagesCell(difference.closure) : "";
  const tags = machine.tags.length === 0 ? "" : ` ${code(machine.tags.join(", "), 60)}`;
  return `| ${code(labelOf(machine))}${tags} | ${words(change, machine.error)} | ${closure} | ${packages} |\n`;
}

function words(change: Change, error: string | null): string {
  const why = error === null ? "" : `: ${code(error, 160)}`;
  switch (change) {
    case "broken":
      return `**cannot be evaluated**${why}`;
    case "faulty":
      return `cannot be evaluated, as on the base${why}`;
    case "repaired":
      return "can be evaluated again";
    case "same":
    case "changed":
    case "added":
    case "removed":
    case "revision":
      return change;
  }
}

export function closureCell({ before, after }: ClosureDifference): string {
  const bytes = after.bytes - before.bytes;
  const delta = bytes === 0 ? "same size" : `${bytes > 0 ? "+" : "−"}${size(Math.abs(bytes))}`;
  return `${delta}, ${before.paths} → ${after.paths} paths`;
}

export function packagesCell({ changed, added, removed }: ClosureDifference): string {
  const told = [
    [changed, "changed"],
    [added, "added"],
    [removed, "removed"],
  ]
    .filter(([number]) => number !== 0)
    .map(([number, word]) => `${number} ${word}`);
  return told.length === 0 ? `no version, no size from ${NOISE / 1_024} KiB on` : told.join(", ");
}

function list(title: string, names: readonly string[], limit: number): string {
  return names.length === 0 ? "" : `\n${title}: ${some(names, limit)}\n`;
}

function some(names: readonly string[], limit: number): string {
  const parts = names.map((name, at) => `${at === 0 ? "" : ", "}${code(name, 80)}`);
  return bounded(parts, (left) => ` and ${left} more`, parts.length, limit * LIST);
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

function leftOut(left: number, what: string, url: string): string {
  return `\n${left} more ${what} are not shown here: [the run](${url}) has them.\n`;
}
