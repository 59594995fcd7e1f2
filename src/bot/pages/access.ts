import { RunId } from "../../protocol/identifiers.ts";
import type { Environment } from "../environment.ts";
import { objectName, type RunContract, type RunView } from "../objects/contracts.ts";

export type Access = { run: RunContract; view: RunView };

/**
 * The run, if everybody may see it, now. Null is one answer for unknown, private, and not to be found out: nobody learns
 * from it which.
 */
export async function access(env: Environment, id: string): Promise<Access | null> {
  if (!RunId.safeParse(id).success || !(await mayExist(env, id))) return null;
  const run: RunContract = env.RUN.getByName(objectName.run(env.GITHUB_HOST, id));
  const view = await run.view();
  // What ran while the repository was private stays so.
  if (view === null || view.identity.repository.private) return null;
  const { host, installation, repository } = view.identity;
  const seen = await env.WRITER.getByName(objectName.writer(host, installation)).visibility(
    repository.id,
  );
  return seen.ok && !seen.value.private ? { run, view } : null;
}

/** Asking an object for its run makes the object; the index keeps guessed ids from making millions. */
async function mayExist(env: Environment, id: string): Promise<boolean> {
  try {
    const row = await env.INDEX.prepare("SELECT private FROM runs WHERE run = ?")
      .bind(id)
      .first<{ private: number }>();
    return row !== null && row.private !== 1;
  } catch (error) {
    // The index can be away or not yet built; the run itself is what counts.
    console.warn(JSON.stringify({ event: "index-unavailable", error: String(error) }));
    return true;
  }
}
