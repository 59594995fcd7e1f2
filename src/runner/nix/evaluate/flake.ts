import { posix } from "node:path";
import type { Position } from "../../../protocol/verdict.ts";
import type { InputAccess } from "../../source/inputs/access.ts";
import { NO_ACCESS } from "../../source/inputs/access.ts";
import { explainError, explainFetch } from "../../source/inputs/explain.ts";
import { fetchInputs } from "../../source/inputs/fetch.ts";
import type { FlakeFiles } from "../../source/inputs/files.ts";
import { inputPosition, readFlakeFiles } from "../../source/inputs/files.ts";
import type { LockedInput } from "../../source/inputs/lock.ts";
import { forbidden, lockedInputs } from "../../source/inputs/lock.ts";
import { fetchStep } from "../../source/inputs/step.ts";
import type { Metadated, MetadataOptions } from "./metadata.ts";
import { metadata } from "./metadata.ts";

/** A flake whose inputs are locked by content, and in the store as far as they could be had. */
export interface LockedFlake {
  /** Nix text of it, as pure evaluation accepts it. */
  readonly expression: string;
  /** Where its tree lies in the store. */
  readonly storePath: string;
  /** Inputs that could not be fetched: no harm unless something needs them. */
  readonly unfetched: readonly { readonly message: string; readonly position: Position | null }[];
}

export type Locked =
  | { readonly kind: "locked"; readonly flake: LockedFlake; readonly warnings: readonly string[] }
  | { readonly kind: "error"; readonly message: string; readonly position: Position | null }
  | { readonly kind: "cancelled" }
  | { readonly kind: "infrastructure"; readonly message: string };

/** `directory` may be "" for the tree's root as well. */
export interface LockOptions extends Omit<MetadataOptions, "step"> {
  /** For the fetch step; nothing unless given. */
  readonly inputs?: InputAccess;
}

/**
 * Locks a flake and fetches its inputs: the one step of an evaluation that has credentials, and that evaluates nothing of
 * the flake. A lock file that cannot be right is told at its line, before Nix is left to wonder about it.
 */
export async function lockFlake(options: LockOptions): Promise<Locked> {
  const { workspace, signal, inputs: access = NO_ACCESS } = options;
  const directory = posix
    .join(".", options.directory === "" ? "." : options.directory)
    .replace(/\/$/u, "");
  if (directory.startsWith("..") || posix.isAbsolute(options.directory))
    return wrong(
      `the flake's directory ${JSON.stringify(options.directory)} is not inside the repository`,
    );
  const stop = new AbortController();
  // Side by side: Nix starts while the lock file is looked at, and is stopped when that is no good.
  const reading = metadata({
    ...options,
    directory,
    step: () => fetchStep(workspace, access, true),
    signal: AbortSignal.any([signal, stop.signal]),
  });
  const files = await readFlakeFiles(workspace, options.tree, directory, signal).catch(
    (error: unknown) => (stop.abort(), Promise.reject(error)),
  );
  const problem = files.kind === "problem" ? files.problem : refused(files.files, directory);
  if (problem !== null) {
    stop.abort();
    await reading.catch(() => {});
    return { kind: "error", ...problem };
  }
  if (files.kind === "problem") throw new Error("a problem is told above");
  return await finish({ ...options, directory, access }, await reading, files.files);
}

type Refused = { readonly message: string; readonly position: Position | null };

function wrong(message: string): Locked {
  return { kind: "error", message, position: null };
}

/** An input of the lock file that is not fetched here. */
function refused(files: FlakeFiles, directory: string): Refused | null {
  return files.lock === null
    ? null
    : firstForbidden(lockedInputs(files.lock.graph), files, directory);
}

function firstForbidden(
  inputs: readonly LockedInput[],
  files: FlakeFiles,
  directory: string,
): Refused | null {
  for (const input of inputs) {
    const why = forbidden(input, directory);
    if (why === null) continue;
    const message = `input ${JSON.stringify(input.name)} ${why}`;
    return { message, position: inputPosition(files, input) };
  }
  return null;
}

async function finish(
  options: LockOptions & { readonly access: InputAccess },
  found: Metadated,
  files: FlakeFiles,
): Promise<Locked> {
  const { workspace, directory, access, signal, timeoutMs } = options;
  if (found.kind === "error")
    return found.fetching
      ? await explainFetch(found, files, access)
      : { kind: "error", ...explainError(found, files) };
  if (found.kind !== "read") return found;
  const { graph, node, expression, storePath } = found.flake;
  const inputs = lockedInputs(graph, node);
  // Those that the lock file does not have were looked up just now.
  const late = firstForbidden(inputs, files, directory);
  if (late !== null) return { kind: "error", ...late };
  const fetched = await fetchInputs({ workspace, inputs, access, timeoutMs, signal });
  if (fetched.kind !== "fetched") return fetched;
  const unfetched = fetched.unfetched.map(({ input, message }) => ({
    message,
    position: inputPosition(files, input),
  }));
  const warnings = [...found.warnings, ...unfetched.map(({ message }) => `warning: ${message}`)];
  return { kind: "locked", flake: { expression, storePath, unfetched }, warnings };
}
