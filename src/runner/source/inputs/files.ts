import { posix } from "node:path";
import type { Position } from "../../../protocol/verdict.ts";
import type { Workspace } from "../../nix/launch.ts";
import { describeLaunch, ended, text } from "../../nix/launch.ts";
import type { LockedInput, LockFile, LockProblem } from "./lock.ts";
import { nodePosition, readLock } from "./lock.ts";

/** A flake's two files, for places in them. */
export interface FlakeFiles {
  /** Null where the flake has none. */
  readonly lock: LockFile | null;
  readonly flake: { readonly file: string; readonly text: string };
}

export type FlakeFilesRead =
  | { readonly kind: "files"; readonly files: FlakeFiles }
  | { readonly kind: "problem"; readonly problem: LockProblem };

/** A lock file of a thousand inputs has half a megabyte. */
const LARGEST = 8 * 1_024 * 1_024;

/** Each file's length in bytes (-1 where there is none, or it is too large), then its text. */
const READ = String.raw`
most=$1; shift
for file; do
  size=-1
  if [ -f "$file" ]; then size=$(wc -c < "$file"); fi
  if [ "$size" -gt "$most" ]; then size=-2; fi
  printf '%s\n' "$size"
  if [ "$size" -ge 0 ]; then cat -- "$file"; fi
done
`;

/** Reads `flake.lock` and `flake.nix` in the job's isolation: a link in the tree leads nowhere else than its programs can go. */
export async function readFlakeFiles(
  workspace: Workspace,
  tree: string,
  directory: string,
  signal: AbortSignal,
): Promise<FlakeFilesRead> {
  const names = ["flake.lock", "flake.nix"].map((name) => posix.join(directory, name));
  const [lockName = "", flakeName = ""] = names;
  const result = await workspace.launch({
    argv: [
      ...(["sh", "-c", READ, "sh", String(LARGEST)] as const),
      ...names.map((name) => posix.join(tree, name)),
    ],
    network: "none",
    signal,
    maxOutput: 2 * LARGEST + 1_024,
  });
  if (!ended(result)) {
    signal.throwIfAborted();
    throw new Error(
      `reading ${lockName}: sh ${describeLaunch(result)}: ${text(result.stderr).slice(-500)}`,
    );
  }
  const [lock, flake] = parts(Buffer.from(result.stdout));
  if (lock === "too large")
    return {
      kind: "problem",
      problem: {
        message: `${lockName}: is larger than ${LARGEST} bytes`,
        position: { file: lockName, line: 1, column: null },
      },
    };
  const files = { lock: null, flake: { file: flakeName, text: flake ?? "" } };
  if (lock === null || lock === undefined) return { kind: "files", files };
  const read = readLock(lock, lockName);
  return read.kind === "problem" ? read : { kind: "files", files: { ...files, lock: read.lock } };
}

function parts(printed: Buffer): (string | null)[] {
  const found: (string | null)[] = [];
  for (let at = 0; at < printed.length;) {
    const end = printed.indexOf("\n", at);
    const size = Number(printed.subarray(at, end).toString());
    at = end + 1 + Math.max(0, size);
    if (size < 0) found.push(size === -2 ? "too large" : null);
    else found.push(printed.subarray(end + 1, at).toString());
  }
  return found;
}

/** Where an input is locked; where its address or its name stands in flake.nix when it is not; else null. */
export function inputPosition(files: FlakeFiles, { name, locked }: LockedInput): Position | null {
  const { lock } = files;
  if (lock !== null && JSON.stringify(lock.graph.nodes[name]?.locked) === JSON.stringify(locked))
    return nodePosition(lock, name, "locked");
  for (const wanted of [locked["url"], locked["path"], name])
    if (typeof wanted === "string") {
      const found = flakePosition(files, wanted);
      if (found !== null) return found;
    }
  return null;
}

/** The first line of flake.nix that has this text. */
export function flakePosition({ flake }: FlakeFiles, wanted: string): Position | null {
  const line = flake.text.split("\n").findIndex((one) => one.includes(wanted));
  return line < 0 ? null : { file: flake.file, line: line + 1, column: null };
}
