import type { Selection } from "../../../protocol/specification.ts";
import type { Source } from "../../../protocol/source.ts";
import { type Context, writer } from "./context.ts";
import type { Header } from "./rows.ts";

/** Work beside a run that nobody has done by then is given up (ms). */
export const LATEST = 2 * 3_600_000;

/** Work beside the run begins: it has so long. */
export function asideIn({ tasks, now }: Context): void {
  tasks.at("aside", now() + LATEST);
}

/** A commit of the repository. Throws when GitHub does not say it now. */
export async function read(
  context: Context,
  run: Header,
  sha: string,
): Promise<{ tree: string; committedAt?: number }> {
  const found = await writer(context, run).commit(run.identity.repository, sha);
  if (found.ok) return found.value;
  throw new Error(`commit ${sha}: ${found.missing ? "GitHub does not have it" : found.reason}`);
}

/** A selection's number may change with the configuration; what it looks at does not. */
export function labelOf(selection: Selection): string {
  return selection.kind === "flake"
    ? `flake:${selection.directory === "" ? "." : selection.directory}`
    : `file:${selection.file}`;
}

/**
 * Where the base's tree comes from. `own`: as it was built; else under the revision of the commit that is run, where
 * flakes read one.
 */
export function baseSource({ id, source, impact, reason }: Header, own: boolean): Source {
  if (source === null || impact?.tree == null || reason.kind !== "pull_request")
    throw new Error(`run ${id} has a job for its base and does not know the base's tree`);
  return {
    cloneUrl: source.cloneUrl,
    // By its name, as any commit that is still reachable. No branch: nothing here is a branch's last good.
    ref: `refs/pull/${reason.number}/merge`,
    sha: impact.base,
    tree: impact.tree,
    revision: source.revision && own,
    ...(source.revision && !own
      ? { shownAs: { sha: source.sha, lastModified: impact.committedAt } }
      : {}),
  };
}
