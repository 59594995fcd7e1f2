import { type MachinePlan, PLAN } from "../../protocol/machine.ts";

/**
 * What an activation would do to units, by their files alone: the rules of NixOS's switch-to-configuration. Which units run is
 * not known here, so each is spoken of as if it did.
 */

/** The units of a system: texts by name, drop-ins in place behind the unit's own; and those that some target wants. */
export type Units = { texts: ReadonlyMap<string, string>; wanted: ReadonlySet<string> };

export type UnitAction = "start" | "stop" | "restart" | "reload" | "left";
export type UnitDifference = Record<UnitAction, string[]>;

export function unitDifference(before: Units, after: Units): UnitDifference {
  const found: UnitDifference = { start: [], stop: [], restart: [], reload: [], left: [] };
  for (const name of [...new Set([...before.texts.keys(), ...after.texts.keys()])].toSorted()) {
    const action = actionOf(name, before.texts.get(name), after.texts.get(name), after.wanted);
    if (action !== null) found[action].push(name);
  }
  return found;
}

/** As the protocol bounds it. */
export function boundedUnits(difference: UnitDifference): MachinePlan["units"] {
  const bounded = (units: string[]) => ({
    count: units.length,
    units: units.slice(0, PLAN.units).map((unit) => unit.slice(0, 256)),
  });
  const { start, stop, restart, reload, left } = difference;
  return {
    kind: "known",
    start: bounded(start),
    stop: bounded(stop),
    restart: bounded(restart),
    reload: bounded(reload),
    left: bounded(left),
  };
}

function actionOf(
  name: string,
  before: string | undefined,
  after: string | undefined,
  wanted: ReadonlySet<string>,
): UnitAction | null {
  if (after === undefined)
    return says(parse(before ?? ""), "Unit", "X-StopOnRemoval", true) ? "stop" : "left";
  const unit = parse(after);
  // What nothing wants is begun by a socket, a bus name or a person.
  if (before === undefined) return wanted.has(name) && !manual(unit) ? "start" : null;
  const changed = compare(parse(before), unit);
  if (changed === "nothing") return null;
  const type = name.slice(name.lastIndexOf(".") + 1);
  // A target does nothing itself: what it newly wants is told by its own name.
  if (type === "target") return null;
  if (type === "path" || type === "slice") return "left";
  if (type === "mount" || type === "swap") return "reload";
  if (changed === "reload" || says(unit, "Service", "X-ReloadIfChanged", false)) return "reload";
  if (!says(unit, "Service", "X-RestartIfChanged", true) || manual(unit)) return "left";
  return "restart";
}

function manual(unit: Sections): boolean {
  return (
    says(unit, "Unit", "RefuseManualStop", false) || says(unit, "Unit", "X-OnlyManualStart", false)
  );
}

type Sections = Map<string, Map<string, string[]>>;

/** Sections, keys and values. A line that ends in a backslash goes on; comments are none of it. */
function parse(text: string): Sections {
  const found: Sections = new Map();
  let section = new Map<string, string[]>();
  for (const line of text.replace(/\\\n/gu, " ").split("\n")) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#") || trimmed.startsWith(";")) continue;
    const head = /^\[(.*)\]$/u.exec(trimmed);
    if (head !== null) {
      const name = head[1] ?? "";
      section = found.get(name) ?? new Map<string, string[]>();
      found.set(name, section);
      continue;
    }
    const equals = trimmed.indexOf("=");
    if (equals === -1) continue;
    const key = trimmed.slice(0, equals).trim();
    section.set(key, [...(section.get(key) ?? []), trimmed.slice(equals + 1).trim()]);
  }
  return found;
}

const TRUE = new Set(["1", "yes", "true", "on"]);

/** The last word counts. */
function says(unit: Sections, section: string, key: string, usual: boolean): boolean {
  const value = unit.get(section)?.get(key)?.at(-1);
  return value === undefined || value === "" ? usual : TRUE.has(value.toLowerCase());
}

/** Keys whose change changes nothing that runs. */
const QUIET = new Set([
  "Unit Description",
  "Unit Documentation",
  "Unit X-StopOnRemoval",
  "Service X-RestartIfChanged",
  "Service X-ReloadIfChanged",
  "Service X-StopIfChanged",
]);

function compare(before: Sections, after: Sections): "nothing" | "reload" | "restart" {
  const differing = new Set<string>();
  for (const section of new Set([...before.keys(), ...after.keys()])) {
    // It says how the unit is wanted, which is a matter of targets.
    if (section === "Install") continue;
    const was = before.get(section);
    const is = after.get(section);
    for (const key of new Set([...(was?.keys() ?? []), ...(is?.keys() ?? [])])) {
      const name = `${section} ${key}`;
      const same = JSON.stringify(was?.get(key) ?? []) === JSON.stringify(is?.get(key) ?? []);
      if (!same && !QUIET.has(name)) differing.add(name);
    }
  }
  if (differing.size === 0) return "nothing";
  return differing.size === 1 && differing.has("Unit X-Reload-Triggers") ? "reload" : "restart";
}

/** Programs in the store that a unit starts, in the order of its text. */
export function programsOf(text: string): string[] {
  const found = new Set<string>();
  for (const [section, keys] of parse(text))
    if (section === "Service")
      for (const [key, values] of keys)
        if (/^Exec(?:Start|StartPre|StartPost|Reload|Condition)$/u.test(key))
          for (const value of values) {
            // Signs before a program say how it is run.
            const program = /^[-@:+!|]*(\/nix\/store\/[^\s"']+)/u.exec(value)?.[1];
            if (program !== undefined) found.add(program);
          }
  return [...found];
}
