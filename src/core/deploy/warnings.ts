import { type MachinePlan, PLAN } from "../../protocol/machine.ts";
import type { PackageChange } from "../../protocol/impact.ts";
import { compareVersions } from "./versions.ts";

/** What somebody should know before a plan is carried out, by rules over what the closure says. Nothing of it is executed. */

export type Warning = MachinePlan["warnings"][number];

export type Looked = {
  /** Units that start or restart, with the texts of what they start, before and after; null: there was none. */
  units: readonly { name: string; before: string | null; after: string }[];
  /** The activation script. */
  activation: { before: string; after: string } | null;
  packages: readonly PackageChange[];
  /** Packages whose versions are all known; fewer than changed where the list was cut. */
  warn: readonly { when: string; says: string }[];
};

/** Words by which programs migrate data when they start. */
const MIGRATES =
  /\b(?:migrat(?:e|es|ion|ions)|alembic|flyway|liquibase|invoke\s+update|syncdb|upgrade[-_ ]db|db[-_: ]upgrade|mysql_upgrade|pg_upgrade|occ\s+upgrade)\b/iu;

const DESTROYS: readonly { what: string; is: RegExp }[] = [
  {
    what: "removes whole folders",
    is: /\brm\s+(?:-[A-Za-z-]+\s+)*(?:-[A-Za-z]*[rR]|--recursive)/u,
  },
  {
    what: "deletes what is not in its source",
    is: /\brsync\b[^\n]*\s--(?:delete\S*|remove-source-files)/u,
  },
  { what: "deletes files that it finds", is: /\bfind\b[^\n]*\s-delete\b/u },
  {
    what: "drops tables or databases",
    is: /\b(?:DROP\s+(?:TABLE|DATABASE|SCHEMA)|TRUNCATE\s+TABLE|dropdb)\b/iu,
  },
  {
    what: "makes or wipes file systems",
    is: /\b(?:mkfs(?:\.\w+)?|wipefs|zpool\s+(?:create|destroy)|zfs\s+destroy|btrfs\s+subvolume\s+delete)\b/u,
  },
  { what: "deletes what is not declared any more", is: /\s--prune\b/u },
];

/** Bounded as the protocol has it, what weighs most first. */
export function warningsOf(looked: Looked): Warning[] {
  const found = [
    ...asked(looked),
    ...destructive(looked),
    ...migrations(looked),
    ...downgrades(looked.packages),
  ];
  return found
    .slice(0, PLAN.warnings)
    .map(({ rule, message }) => ({ rule, message: message.slice(0, 4_096) }));
}

function* asked({ warn, units, packages, activation }: Looked): Iterable<Warning> {
  for (const { when, says } of warn) {
    const unit = units.find(({ name, before, after }) =>
      [name, ...newLines(before ?? "", after)].some((line) => line.includes(when)),
    );
    const changed = packages.find(({ name, before, after }) =>
      [...before, ...after, ""].some((version) => `${name}-${version}`.includes(when)),
    );
    const script =
      activation !== null &&
      newLines(activation.before, activation.after).some((line) => line.includes(when));
    const where = unit?.name ?? changed?.name ?? (script ? "the activation" : null);
    if (where !== null) yield { rule: "configured", message: `${says} (${when} in ${where})` };
  }
}

function* destructive({ units, activation }: Looked): Iterable<Warning> {
  for (const { name, after } of units)
    for (const { what, is } of DESTROYS) {
      const line = after.split("\n").find((one) => is.test(one));
      if (line !== undefined)
        yield {
          rule: "destructive",
          message: `${name} ${what} when it starts: ${line.trim().slice(0, 300)}`,
        };
    }
  // NixOS's own activation removes much; what is new in it is worth a look.
  if (activation === null) return;
  const fresh = newLines(activation.before, activation.after);
  for (const { what, is } of DESTROYS) {
    const line = fresh.find((one) => is.test(one));
    if (line !== undefined)
      yield {
        rule: "destructive",
        message: `the activation newly ${what}: ${line.trim().slice(0, 300)}`,
      };
  }
}

function* migrations({ units }: Looked): Iterable<Warning> {
  for (const { name, before, after } of units) {
    if (before === after) continue;
    const line = after.split("\n").find((one) => MIGRATES.test(one));
    if (line !== undefined)
      yield {
        rule: "migration",
        message: `${name} may migrate its data when it starts, which no rollback undoes; a backup before is worth having: ${line.trim().slice(0, 300)}`,
      };
  }
}

function* downgrades(packages: readonly PackageChange[]): Iterable<Warning> {
  for (const { name, before, after } of packages) {
    const [was, is] = [before[0], after[0]];
    // Of several versions it is not known which one became which.
    if (before.length !== 1 || after.length !== 1 || was === undefined || is === undefined)
      continue;
    if (compareVersions(is, was) < 0)
      yield {
        rule: "downgrade",
        message: `${name} goes back from ${was} to ${is}: what the newer one has migrated stays`,
      };
  }
}

function newLines(before: string, after: string): string[] {
  const known = new Set(before.split("\n"));
  return after.split("\n").filter((line) => !known.has(line));
}
