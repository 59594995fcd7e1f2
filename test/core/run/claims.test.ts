import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { adrift, type Claim, claim, endedWith, freed } from "../../../src/core/run/index.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";

const FAILED: Verdict = { kind: "failed", drv: "f", exitCode: 1, logTail: "" };
const none: ReadonlyMap<string, Verdict> = new Map();
const asked = (job: number, drvs: string[], number = 1, attempt = 1) => ({
  job,
  attempt,
  claim: number,
  drvs,
});

/** The Run's table, and what runners would do with the answers. */
class Table {
  rows: Claim[] = [];

  ask(one: ReturnType<typeof asked>, failed = none) {
    const answer = claim(this.rows, one, failed);
    for (const row of answer.write) {
      this.rows = this.rows.filter(
        (other) =>
          other.job !== row.job || other.attempt !== row.attempt || other.claim !== row.claim,
      );
      this.rows.push(row);
    }
    return answer;
  }

  end(ended: readonly Claim[]): string[] {
    this.rows = this.rows.filter((row) => !ended.includes(row));
    return freed(ended);
  }
}

describe("claims", () => {
  it("are all or nothing, and tell who was refused when it is free", () => {
    const table = new Table();
    expect(table.ask(asked(1, ["a", "b"]))).toMatchObject({ granted: true });
    expect(table.ask(asked(2, ["b", "c"]))).toMatchObject({ granted: false, held: ["b"] });
    expect(table.ask(asked(3, ["c"]))).toMatchObject({ granted: true });
    expect(table.end(endedWith(table.rows, 3, null))).toEqual([]);
    expect(table.end(endedWith(table.rows, 1, null))).toEqual(["a", "b"]);
    expect(table.ask(asked(2, ["b", "c"], 2))).toMatchObject({ granted: true });
  });

  it("asked again are the same claim", () => {
    const table = new Table();
    table.ask(asked(1, ["a"]));
    expect(table.ask(asked(1, ["a"]))).toMatchObject({ granted: true, write: [], fenced: [] });
    expect(table.rows).toHaveLength(1);
  });

  it("on what failed are refused with its verdict, whoever asks", () => {
    const table = new Table();
    expect(table.ask(asked(1, ["a", "f"]), new Map([["f", FAILED]]))).toMatchObject({
      granted: false,
      held: [],
      failed: [{ drv: "f", verdict: FAILED }],
    });
    expect(table.rows).toEqual([]);
  });

  it("of an attempt of which nothing is heard are kept until somebody wants them; then it is over", () => {
    const quiet = { job: 1, attempt: 1 };
    const waited = new Table();
    waited.ask(asked(1, ["a"]));
    waited.ask(asked(2, ["a"]));
    expect(adrift(waited.rows, quiet)).toBeNull();
    const table = new Table();
    table.ask(asked(1, ["a"]));
    table.rows = adrift(table.rows, quiet) ?? [];
    expect(table.rows).toMatchObject([{ drvs: ["a"], adrift: true }]);
    table.ask(asked(3, ["c"]));
    // Nothing is taken while the rest is not to be had.
    expect(table.ask(asked(2, ["a", "c"]))).toMatchObject({ granted: false, fenced: [] });
    expect(table.ask(asked(4, ["a"]))).toMatchObject({ granted: true, fenced: [quiet] });
  });

  it("of an attempt end when the next one is offered", () => {
    const table = new Table();
    table.ask(asked(1, ["a"], 1, 1));
    expect(endedWith(table.rows, 1, 1)).toEqual([]);
    expect(endedWith(table.rows, 1, 2)).toHaveLength(1);
    expect(endedWith(table.rows, 2, null)).toEqual([]);
  });

  /**
   * Runners that build a random graph's parts through claims, lose attempts in between, and hear nothing but answers
   * and what is freed: nothing is held twice, and everything is built once by somebody, in whatever order.
   */
  it("never have two holders, and always come to an end", () => {
    const drv = fc.constantFrom(..."abcdefgh".split(""));
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(drv, { minLength: 1, maxLength: 4 }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.infiniteStream(fc.nat(1_000)),
        (work, choices) => {
          const pick = (below: number) => Number(choices.next().value) % below;
          const table = new Table();
          const jobs = work.map((drvs, index) => ({
            job: index,
            attempt: 1,
            drvs,
            claim: 0,
            state: "ready" as "ready" | "building" | "refused" | "done",
            elsewhere: new Set<string>(),
          }));
          const hear = (drvs: string[]) => {
            for (const job of jobs) {
              for (const each of drvs) job.elsewhere.delete(each);
              if (job.state === "refused" && job.elsewhere.size === 0) job.state = "ready";
            }
          };
          for (let step = 0; jobs.some(({ state }) => state !== "done"); step += 1) {
            if (step > 2_000) throw new Error("it does not come to an end");
            const able = jobs.filter(({ state }) => state === "ready" || state === "building");
            // Whoever was refused waits for a holder, and a holder waits for nobody.
            expect(able.length).toBeGreaterThan(0);
            const job = able[pick(able.length)]!;
            if (job.state === "ready") {
              job.claim += 1;
              const answer = table.ask(asked(job.job, job.drvs, job.claim, job.attempt));
              job.state = answer.granted ? "building" : "refused";
              for (const each of answer.held) job.elsewhere.add(each);
            } else if (step < 200 && pick(4) === 0) {
              job.attempt += 1;
              job.state = "ready";
              hear(table.end(endedWith(table.rows, job.job, job.attempt)));
            } else {
              job.state = "done";
              hear(table.end(endedWith(table.rows, job.job, null)));
            }
            const held = table.rows.flatMap(({ drvs }) => drvs);
            expect(new Set(held).size).toBe(held.length);
            expect(table.rows.length).toBeLessThanOrEqual(jobs.length);
          }
          expect(table.rows).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
