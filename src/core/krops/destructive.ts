import { destroysIn } from "../deploy/warnings.ts";
import { tokensOf } from "./nix-text.ts";

/** KRO-9: what a configuration names that deletes data of a machine when it is deployed. */

export type Destructive = { path: string; /** What it does. */ what: string; line: string };

/** Rules of systemd-tmpfiles that put something in place of what is there, or remove it. */
const TMPFILES = /^\s*(?:L\+|C\+|[RD])[!^=~-]*\s+\//u;
/** Of all files together. */
const MOST = 32;

/** By the texts in Nix files: scripts and rules, without what is commented out in Nix or in a script. */
export function destructiveSettings(
  files: readonly { path: string; text: string }[],
): Destructive[] {
  const found = files.flatMap(({ path, text }) =>
    tokensOf(text)
      .filter(({ kind }) => kind === "text")
      .flatMap((token) => token.text.split("\n"))
      .filter((line) => !/^\s*#/u.test(line))
      .flatMap((line) => whats(line).map((what) => ({ path, what, line: line.trim() }))),
  );
  return found.slice(0, MOST);
}

function whats(line: string): string[] {
  return TMPFILES.test(line)
    ? ["puts something in place of what is there, or removes it"]
    : destroysIn(line);
}
