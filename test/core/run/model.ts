import type {
  AttributeRow,
  Changes,
  Count,
  DerivationRow,
  JobRow,
  RunRow,
  Slice,
} from "../../../src/core/run/index.ts";
import { attributeKey, newRun } from "../../../src/core/run/index.ts";

/** Who builds in tests, and what they have signed; core looks at neither. */
export const BUILDER = { runner: "r1", key: "k", sha: "1".repeat(40) };
export const PROVENANCE = { ...BUILDER, path: ["x"], outputs: [], signature: "" };

/** The Run's tables in memory: what core changes is written, slices are cut as the shell cuts them. */
export class Model {
  run: RunRow = newRun(false);
  readonly jobs = new Map<number, JobRow>();
  readonly attributes = new Map<string, AttributeRow>();
  readonly derivations = new Map<string, DerivationRow>();
  readonly counts = new Map<string, Count>();

  slice(part: Partial<Omit<Slice, "run">> = {}): Slice {
    return structuredClone({ run: this.run, jobs: [], attributes: [], derivations: [], ...part });
  }

  all(): Slice {
    return this.slice({
      jobs: [...this.jobs.values()],
      attributes: [...this.attributes.values()],
      derivations: [...this.derivations.values()],
    });
  }

  save(changes: Changes): void {
    this.run = changes.run;
    for (const job of changes.jobs) this.jobs.set(job.number, job);
    for (const row of changes.attributes)
      this.attributes.set(attributeKey(row.selection, row.path), row);
    for (const row of changes.derivations) this.derivations.set(row.drv, row);
    for (const { kind, required, by } of changes.counts) {
      const key = `${kind}:${required}`;
      this.counts.set(key, { kind, required, count: (this.counts.get(key)?.count ?? 0) + by });
    }
  }

  openJobs(): JobRow[] {
    return [...this.jobs.values()].filter(({ state }) => state !== "finished");
  }
}
