import type { Environment } from "../environment.ts";
import type { RunView } from "../objects/contracts.ts";

/** One line of the list of runs. Times are Unix ms. */
export type IndexedRun = {
  run: string;
  repository: number;
  owner: string;
  name: string;
  private: boolean;
  reason: RunView["reason"]["kind"];
  /** The branch (push: full ref), as the reason has it. */
  ref: string;
  head: string;
  pull: number | null;
  state: string;
  conclusion: string | null;
  createdAt: number;
  finishedAt: number | null;
};

const UPSERT = `INSERT INTO runs (run, repository, owner, name, private, reason, ref, head, pull, state, conclusion, created_at, finished_at)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
  ON CONFLICT (run) DO UPDATE SET owner = excluded.owner, name = excluded.name, private = excluded.private, state = excluded.state,
    conclusion = excluded.conclusion, finished_at = excluded.finished_at`;

/** Writes a run's line, or brings it up to date. The index is derived: the caller may go on where this throws. */
export async function indexRun(env: Pick<Environment, "INDEX">, row: IndexedRun): Promise<void> {
  await statement(env.INDEX, row).run();
}

/** A repository got another name or was made private (or public): its lines say so at once. */
export async function indexRepository(
  env: Pick<Environment, "INDEX">,
  repository: { id: number; owner: string; name: string; private: boolean },
): Promise<void> {
  await env.INDEX.prepare(
    "UPDATE runs SET owner = ?1, name = ?2, private = ?3 WHERE repository = ?4",
  )
    .bind(repository.owner, repository.name, repository.private ? 1 : 0, repository.id)
    .run();
}

export function statement(index: D1Database, row: IndexedRun): D1PreparedStatement {
  return index
    .prepare(UPSERT)
    .bind(
      row.run,
      row.repository,
      row.owner,
      row.name,
      row.private ? 1 : 0,
      row.reason,
      row.ref,
      row.head,
      row.pull,
      row.state,
      row.conclusion,
      row.createdAt,
      row.finishedAt,
    );
}

/** The line of a run as its object tells it. */
export function indexedRun(view: RunView): IndexedRun {
  const { repository } = view.identity;
  const { reason } = view;
  return {
    run: view.run,
    repository: repository.id,
    owner: repository.owner,
    name: repository.name,
    private: repository.private,
    reason: reason.kind,
    ref: "ref" in reason ? reason.ref : reason.headRef,
    head: view.head,
    pull:
      reason.kind === "pull_request"
        ? reason.number
        : reason.kind === "deploy"
          ? reason.pull
          : null,
    state: view.state,
    conclusion: view.conclusion,
    createdAt: view.createdAt,
    finishedAt: view.finishedAt,
  };
}
