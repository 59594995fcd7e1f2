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
  warn: readonly { when: string; says: string }[];
};

/** Words by which programs migrate data when they start. */
const MIGRATES =
  /\b(?:migrat(?:e|es|ion|ions)|alembic|flyway|liquibase|invoke\s+update|syncdb|upgrade[-_ ]db|db[-_: ]upgrade|mysql_upgrade|pg_upgrade|occ\s+upgrade)\b/iu;

/** Words that a line must hold together. Each is looked for by itself, in time that grows with the line alone. */
const DESTROYS: readonly { what: string; words: readonly RegExp[] }[] = [
  {
    what: "removes whole folders",
    words: [/\brm\s+(?:-[A-Za-z-]+\s+)*(?:-[A-Za-z]*[rR]|--recursive)/u],
  },
  {
    what: "deletes what is not in its source",
    words: [/\brsync\b/u, /\s--(?:delete|remove-source-files)/u],
  },
  { what: "deletes files that it finds", words: [/\bfind\b/u, /\s-delete\b/u] },
  {
    what: "drops tables or databases",
    words: [/\b(?:DROP\s+(?:TABLE|DATABASE|SCHEMA)|TRUNCATE\s+TABLE|dropdb)\b/iu],
  },
  {
    what: "makes or wipes file systems",
    words: [
      /\b(?:mkfs(?:\.\w+)?|wipefs|zpool\s+(?:create|destroy)|zfs\s+destroy|btrfs\s+subvolume\s+delete)\b/u,
    ],
  },
  { what: "deletes what is not declared any more", words: [/\s--prune\b/u] },
];

const isDestructive = (line: string, words: readonly RegExp[]): boolean =>
  words.every((word) => word.test(line));

/** What a line of a script or a command destroys, in words; nothing for most. */
export function destroysIn(line: string): string[] {
  const text = line.slice(0, LONGEST_LINE);
  return DESTROYS.filter(({ words }) => isDestructive(text, words)).map(({ what }) => what);
}

/** Characters of one unit with what it starts, and of one line: whoever writes more hides nothing that was a promise. */
const LONGEST_TEXT = 256 * 1_024;
const LONGEST_LINE = 4_000;

function linesOf(text: string): string[] {
  return text
    .slice(0, LONGEST_TEXT)
    .split("\n")
    .map((line) => line.slice(0, LONGEST_LINE));
}

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
    for (const { what, words } of DESTROYS) {
      const line = linesOf(after).find((one) => isDestructive(one, words));
      if (line !== undefined)
        yield {
          rule: "destructive",
          message: `${name} ${what} when it starts: ${line.trim().slice(0, 300)}`,
        };
    }
  // NixOS's own activation removes much; what is new in it is worth a look.
  if (activation === null) return;
  const fresh = newLines(activation.before, activation.after);
  for (const { what, words } of DESTROYS) {
    const line = fresh.find((one) => isDestructive(one, words));
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
    const line = linesOf(after).find((one) => MIGRATES.test(one));
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
  const known = new Set(linesOf(before));
  return linesOf(after).filter((line) => !known.has(line));
}
