import type { Position } from "../../../protocol/verdict.ts";
import type { LogPosition } from "../log/event.ts";

/** Where the checked-out tree is found in Nix's texts: its path in the job and its copies in the store. */
export type Roots = readonly string[];

/** A place relative to the tree's root; null when it lies elsewhere (nixpkgs, Nix itself, the walk). */
export function inTree(position: LogPosition | null, roots: Roots): Position | null {
  if (position === null || position.line < 1) return null;
  // Newer versions name a file of a flake `«path:/nix/store/…-source?…»/flake.nix`.
  const file = position.file.replace(/^«[a-z+]+:([^?»]*)[^»]*»/u, "$1");
  for (const root of roots) {
    if (file.startsWith(`${root}/`) && file.length > root.length + 1) {
      return {
        file: file.slice(root.length + 1),
        line: position.line,
        column: position.column !== null && position.column > 0 ? position.column : null,
      };
    }
  }
  return null;
}

const SPELLED = /\bat (\/[^\n:]+|«[^\n»]*»[^\n:]*):(\d+)(?::(\d+))?/gu;

/** The places that a message names in its own text, for versions that give no fields. */
export function spelledPositions(message: string): LogPosition[] {
  return [...message.matchAll(SPELLED)].map(([, file = "", line, column]) => ({
    file,
    line: Number(line),
    column: column === undefined ? null : Number(column),
  }));
}

/**
 * The place to show for an error: its own, then the trace's innermost in the tree, then where the attribute is defined
 * (a bare `throw` has no place of its own in Nix 2.8).
 */
export function bestPosition(
  candidates: readonly (LogPosition | null)[],
  roots: Roots,
): Position | null {
  for (const candidate of candidates) {
    const found = inTree(candidate, roots);
    if (found !== null) return found;
  }
  return null;
}
