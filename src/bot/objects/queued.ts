import type { RepositoryIdentity } from "../../core/repo/request.ts";
import type { Pool, RunId } from "../../protocol/identifiers.ts";
import type { JobKind, Work } from "../../protocol/specification.ts";

/** A job as a Run queues it. The Fleet adds attempt, runner, expiry and signature. */
export type QueuedJob = {
  job: string;
  run: RunId;
  kind: JobKind;
  /** For the clone token of its attempts. */
  installation: number;
  repository: RepositoryIdentity["repository"];
  pool: Pool;
  policy: string;
  /** A runner must have all of it; null system is any. */
  needs: { system: string | null; features: string[] };
  /** The runner that evaluated: it has the derivations. Null where that says nothing. */
  prefer: string | null;
  /**
   * Of the runner that evaluated: any runner of the pool that has the same may take it. Null: the jobs of a run for one
   * system stay together.
   */
  exchange: string | null;
  /**
   * Of a run that plans or changes machines: what is made has to be where the runners can use it that may change these (host
   * keys). One runner that may change all of them, or runners that share an exchange; the jobs of the run stay together.
   */
  near?: string[];
  work: Work;
  queuedAt: number;
};
export type RunnerClass = {
  class: string;
  pool: Pool;
  systems: string[];
  features: string[];
  /** What evaluates on its runners, as they named it last. */
  evaluators: string[];
  online: number;
  repositories: number[] | null;
};

export type HeldJob = Pick<QueuedJob, "installation" | "repository" | "pool">;
