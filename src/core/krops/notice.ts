import { code } from "../report/escape.ts";
import { destructiveSettings } from "./destructive.ts";
import { type KropsFiles, machinesNamed, type NamedMachine, type Place } from "./names.ts";
import { sharedChange } from "./shared.ts";

/** What a pull request is told about the machines of a krops repository, by the files that are committed. */

/** A commit's files, as text. Null where there is no such file or folder. */
export type KropsTree = KropsFiles & {
  /** `config/shared.nix`. */
  shared: string | null;
  /** `config/machines/example-machine/configuration.nix`. */
  example: string | null;
  /** Files of `config`: what every machine shares. */
  config: readonly { path: string; text: string }[];
  /** Machines whose method is krops in the configuration. */
  declared: readonly string[];
};

/** The machine that all others are copied from; its folder is committed where the others are not. */
const TEMPLATE = "example-machine";
export const SHARED = "config/shared.nix";
export const EXAMPLE = `config/machines/${TEMPLATE}/configuration.nix`;
export const CONFIG = "config";
export const FOLDERS = "config/machines";

/** Machines that are named one by one. */
const MOST = 40;

/**
 * KRO-2 and KRO-13 as Markdown: names that drifted apart, a shared parameter that the template does not show, a checklist
 * for each machine that the change adds. Empty where there is nothing to say.
 * @param base the commit it is compared with; null where it had no krops
 */
export function kropsNotice(base: KropsTree | null, head: KropsTree): string {
  const before = base === null ? [] : machinesNamed(base);
  const known = new Set(before.map(({ machine }) => machine));
  const named = machinesNamed(head, new Set(before.flatMap((one) => one.in)));
  const isNew = ({ machine }: NamedMachine): boolean => base !== null && !known.has(machine);
  const drift = named
    .filter((one) => !isNew(one))
    .flatMap((one) => [...driftOf(one, head)])
    .concat(named.filter(isNew).flatMap((one) => [...swapped(one)]));
  const shared = [...sharedLines(base, head)];
  const added = named.filter(isNew);
  const parts = [
    ...section("Machines are not named alike everywhere", drift),
    ...section("The template machine", shared),
    ...section("It deletes data of machines", [...destroyed(base, head)]),
    ...added.slice(0, MOST).map((one) => checklist(one, head)),
  ];
  if (parts.length === 0) return "";
  return `### krops\n\n${parts.join("\n")}\n${covered(head)}\n`;
}

function* driftOf(named: NamedMachine, files: KropsFiles): Iterable<string> {
  if (named.missing.length > 0)
    yield `${code(named.machine)} is missing ${named.missing.map((place) => where(place, files, named.machine)).join(", ")}; it is named ${named.in.map((place) => where(place, files, named.machine)).join(", ")}.`;
  yield* swapped(named);
}

function* swapped({ machine, others }: NamedMachine): Iterable<string> {
  for (const other of others)
    yield `**${code(machine)} uses what is ${code(other.machine)}'s:** ${code(other.text)}.`;
}

function* sharedLines(base: KropsTree | null, head: KropsTree): Iterable<string> {
  const change = sharedChange(base, head);
  if (change === null) return;
  const changes = [
    ...change.added.map((name) => `${code(name)} is new`),
    ...change.removed.map((name) => `${code(name)} is gone`),
  ];
  if (changes.length > 0)
    yield `Parameters of ${code(SHARED)} change (${changes.join(", ")}), and ${code(EXAMPLE)} does not: machines are copied from it.`;
  if (change.notShown.length > 0)
    yield `${code(EXAMPLE)} does not give ${change.notShown.map((name) => code(name)).join(", ")}, which ${code(SHARED)} needs.`;
}

/** KRO-9: what the change brings; what was there is in each plan. */
function* destroyed(base: KropsTree | null, head: KropsTree): Iterable<string> {
  const known = new Set(destructiveSettings(base?.config ?? []).map(({ line }) => line));
  for (const { path, what, line } of destructiveSettings(head.config))
    if (base !== null && !known.has(line))
      yield `${code(path)} newly ${what} when a machine is deployed: ${code(line, 300)}.`;
}

function checklist(named: NamedMachine, head: KropsTree): string {
  const { machine } = named;
  const item = (done: boolean, text: string): string => `- [${done ? "x" : " "}] ${text}`;
  const places = [...named.in, ...named.missing];
  return [
    `**${code(machine)} is new.** What a machine needs:\n`,
    ...places.map((place) => item(named.in.includes(place), where(place, head, machine))),
    item(
      head.declared.includes(machine),
      `under ${code("machines")} of ${code(".github/snowcat.yml")}, with ${code("method: krops")} and its ${code("domain")}`,
    ),
    item(
      false,
      `${code(`machine-specific/${machine}/`)} in the overlay, where it has a web application`,
    ),
    item(false, `in the deploy runner's policy, with its address and host key`),
    item(false, `${code("/var/src/.populate")} on the machine itself`),
    "",
  ].join("\n");
}

function where(place: Place, files: KropsFiles, machine: string): string {
  const krops = code(files.krops?.path ?? "krops.nix");
  const build = code(files.build?.path ?? "build-local.nix");
  switch (place) {
    case "krops-attribute":
      return `in ${krops} as an attribute`;
    case "krops-inherit":
      return `in ${krops} under ${code("inherit")}`;
    case "krops-all":
      return `in ${krops} under ${code("all")}`;
    case "build-attribute":
      return `in ${build} as an attribute`;
    case "build-all":
      return `in ${build} under ${code("all")}`;
    case "folder":
      return `as the folder ${code(`${FOLDERS}/${machine}`)}`;
  }
}

/** KRO-3: of what git ignores nothing is known here. */
function covered(head: KropsTree): string {
  const templates = [head.krops, head.build]
    .flatMap((file) => (file === null ? [] : [file.path]))
    .filter((path) => /(?:^|\/)example-[^/]*$/u.test(path));
  return templates.length === 0
    ? "Files are read as text; what they compute is not seen."
    : `This covers the committed templates (${templates.map((path) => code(path)).join(", ")}), read as text. The real files are the deploy runner's: each deploy compares those.`;
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const shown = lines.slice(0, MOST).map((text) => `- ${text}\n`);
  const more = lines.length > MOST ? [`- and ${lines.length - MOST} more\n`] : [];
  return [`**${title}**\n\n${[...shown, ...more].join("")}`];
}
