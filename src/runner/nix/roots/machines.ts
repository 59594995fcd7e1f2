import type { MachineOutcome } from "../../../protocol/machine.ts";
import type { MachineSpecification, TreeSpecification } from "../../../protocol/specification.ts";
import type { Sink } from "../../agent/sink.ts";
import type { Branch, RootTable } from "./table.ts";

/** A plan that nobody has deployed for so long (ms) keeps nothing any more. */
const PLAN_KEPT = 14 * 24 * 3_600_000;
const PLANS = "refs/snowcat/plans/";
const OUTPUT = "system";

type Of = Pick<TreeSpecification | MachineSpecification, "repository" | "run">;

/**
 * Systems of machines that a garbage collection leaves: those of open plans, what is being brought to a machine, and what each
 * runs and ran before. Rows of the same table as a branch's outputs, so that the same bounds hold and the same command lists them.
 */
export class MachineRoots {
  readonly #table: RootTable;

  constructor(table: RootTable) {
    this.#table = table;
  }

  /** A sink that keeps what is planned before anybody is told of the plan. @param now Unix time (ms). */
  keepingPlans(of: Of, sink: Sink, now: () => number): Sink {
    return {
      attributes: (list) => sink.attributes(list),
      results: (list) => sink.results(list),
      evaluated: (summary) => sink.evaluated(summary),
      impact: (difference) => sink.impact(difference),
      log: (stream) => sink.log(stream),
      machine: async (news) => {
        if (news.kind === "planned") {
          const { machine, manifest } = news.plan;
          await this.#table.expire(PLANS, now() - PLAN_KEPT);
          await this.#keep(branchOf(of, `${PLANS}${of.run}`), machine, manifest.system, now());
        }
        await sink.machine(news);
      },
    };
  }

  /** From before it is there, so that nothing of it goes while it comes. */
  async bringing(of: Of, hostKey: string, system: string, now: number): Promise<void> {
    await this.#keep(machineBranch(of, hostKey), "deploying", system, now);
  }

  /** What the machine runs from here on, and what it ran before; of another end nothing is kept that was not. */
  async ended(of: Of, hostKey: string, outcome: MachineOutcome, now: number): Promise<void> {
    const branch = machineBranch(of, hostKey);
    if (outcome.kind === "unknown") return;
    if (outcome.kind === "active") {
      const before = this.#current(branch);
      if (before !== null && before !== outcome.system)
        await this.#keep(branch, "previous", before, now);
      await this.#keep(branch, "current", outcome.system, now);
    }
    await this.#table.retain(branch, new Set(["current", "previous"]), now);
  }

  #current(branch: Branch): string | null {
    const row = this.#table
      .list()
      .find(({ repository, ref }) => repository === branch.repository && ref === branch.ref);
    return row?.roots.find(({ attribute }) => attribute === "current")?.path ?? null;
  }

  async #keep(branch: Branch, attribute: string, path: string, now: number): Promise<void> {
    await this.#table.keep(branch, [{ attribute, output: OUTPUT, path }], now);
  }
}

function machineBranch(of: Of, hostKey: string): Branch {
  return branchOf(of, `refs/snowcat/machines/${hostKey}`);
}

function branchOf({ repository: { id, owner, name } }: Of, ref: string): Branch {
  return { repository: id, name: `${owner}/${name}`, ref };
}
