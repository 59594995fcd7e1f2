import { RunId } from "../../protocol/identifiers.ts";
import type { Environment } from "../environment.ts";
import {
  type FleetView,
  objectName,
  type RunContract,
  type RunView,
} from "../objects/contracts.ts";

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

/** The repository's machines, if everybody may see it, now; null is one answer here too. */
export async function fleetAccess(env: Environment, id: string): Promise<FleetView | null> {
  const repository = /^[1-9][0-9]{0,15}$/u.test(id) ? Number(id) : 0;
  if (repository === 0 || !(await isListed(env, repository))) return null;
  const fleet = await env.REPO.getByName(objectName.repo(env.GITHUB_HOST, repository)).fleet();
  if (fleet === null || fleet.identity.repository.private) return null;
  const { host, installation } = fleet.identity;
  const seen = await env.WRITER.getByName(objectName.writer(host, installation)).visibility(
    repository,
  );
  return seen.ok && !seen.value.private ? fleet : null;
}

/** As below: a repository that has machines has had runs. */
async function isListed(env: Environment, repository: number): Promise<boolean> {
  try {
    const row = await env.INDEX.prepare(
      "SELECT private FROM runs WHERE repository = ? ORDER BY created_at DESC LIMIT 1",
    )
      .bind(repository)
      .first<{ private: number }>();
    return row !== null && row.private !== 1;
  } catch (error) {
    console.warn(JSON.stringify({ event: "index-unavailable", error: String(error) }));
    return true;
  }
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
