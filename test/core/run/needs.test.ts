import { describe, expect, it } from "vitest";
import {
  advance,
  attributes,
  lease,
  needs,
  type Reach,
  recalled,
  results,
  toAsk,
  type Wait,
} from "../../../src/core/run/index.ts";
import type { Needed, ToRun } from "../../../src/protocol/data.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { BUILDER, Model, PROVENANCE } from "./model.ts";

const drv = (name: string) => `/nix/store/${name.padStart(32, "0")}-${name}.drv`;
const GOAL = drv("goal");
const BELOW = drv("below");
const SUCCEEDED: Verdict = { kind: "succeeded", reused: false };
const SOMEBODY: Reach = { anybody: null, partners: null };
const lacked: Needed = {
  drv: BELOW,
  name: "below",
  system: "aarch64-linux",
  features: [],
  missing: ["system aarch64-linux"],
};

/** A run with goals in one job, and its waits. */
class World extends Model {
  waits: Wait[] = [];

  constructor(goals: string[] = ["goal"]) {
    super();
    this.run = {
      ...this.run,
      phase: "evaluating",
      pool: "trusted",
      rules: { systems: [null], set: ["*"] },
    };
    this.save(
      attributes(
        this.all(),
        goals.map((name) => ({
          selection: 0,
          path: [name],
          system: null,
          seconds: 0,
          result: {
            kind: "derivation" as const,
            derivation: {
              path: drv(name),
              name,
              system: "x86_64-linux",
              outputs: {},
              features: [],
            },
          },
        })),
      ),
    );
    this.save(recalled(this.all(), goals.map(drv), [], 0));
    this.save(lease(this.all(), true, 0));
  }

  needs(change: Partial<Extract<ToRun, { kind: "needs" }>> = {}, job = 1): void {
    this.#take(
      needs(this.all(), job, {
        kind: "needs",
        exchange: true,
        needed: [lacked],
        goals: [{ drv: GOAL, needs: [BELOW] }],
        ...change,
      }),
    );
  }

  advance(reach: Reach = SOMEBODY): void {
    const asked = toAsk(this.waits, [...this.derivations.values()]);
    this.#take(advance(this.all(), this.waits, new Map(asked.map((one) => [one.drv, reach]))));
  }

  result(name: string, verdict: Verdict): void {
    const job = this.derivations.get(drv(name))?.job ?? 0;
    const row = { selection: 0, path: [name], drv: drv(name), verdict, seconds: 1, log: null };
    this.save(results(this.all(), job, 1, [row], BUILDER));
  }

  state(name: string) {
    return this.derivations.get(drv(name))?.state;
  }

  verdict(name: string) {
    return this.derivations.get(drv(name))?.verdict;
  }

  #take({ changes, waits }: ReturnType<typeof needs>): void {
    this.save(changes);
    this.waits = this.waits.filter(({ goal }) => !waits.over.includes(goal)).concat(waits.added);
  }
}

describe("a goal that needs what only another runner can build", () => {
  it("waits for it, and is built when it is there", () => {
    const world = new World();
    world.needs();
    expect([world.state("goal"), world.run.openDerivations]).toEqual(["waiting", 1]);
    world.advance();
    expect([world.state("below"), world.state("goal"), world.run.openDerivations]).toEqual([
      "ready",
      "waiting",
      2,
    ]);
    world.save(lease(world.all(), true, 0));
    expect(world.jobs.get(2)).toMatchObject({ kind: "build", system: "aarch64-linux" });
    world.result("below", SUCCEEDED);
    world.advance();
    expect([world.state("goal"), world.waits, world.run.openDerivations]).toEqual(["ready", [], 1]);
    world.save(lease(world.all(), true, 0));
    world.result("goal", SUCCEEDED);
    expect([world.run.openDerivations, world.run.pending]).toEqual([0, 0]);
  });

  it("is not tried when that failed", () => {
    const world = new World();
    world.needs();
    world.advance();
    world.save(lease(world.all(), true, 0));
    world.result("below", { kind: "failed", drv: BELOW, exitCode: 2, logTail: "no" });
    world.advance();
    expect(world.verdict("goal")).toEqual({
      kind: "dependency-failed",
      cause: BELOW,
      verdict: "failed",
      logTail: "no",
    });
    expect(world.waits).toEqual([]);
  });

  it("shares it with others, and with an attribute that is it", () => {
    const world = new World(["goal", "other", "below"]);
    const goals = [GOAL, drv("other")].map((one) => ({ drv: one, needs: [BELOW] }));
    world.needs({ goals });
    world.advance();
    expect([world.state("below"), world.jobs.size]).toEqual(["leased", 1]);
    world.result("below", SUCCEEDED);
    world.advance();
    expect([world.state("goal"), world.state("other")]).toEqual(["ready", "ready"]);
  });

  it("has what was judged in an earlier run built for it: it may not be in the exchange", () => {
    const world = new World(["goal", "below"]);
    const below = world.derivations.get(BELOW)!;
    below.state = "ready";
    below.job = null;
    below.state = "unknown";
    world.save(
      recalled(
        world.all(),
        [BELOW],
        [{ drv: BELOW, verdict: SUCCEEDED, seconds: 1, at: 0, provenance: PROVENANCE, log: null }],
        1,
      ),
    );
    expect(world.verdict("below")).toEqual({ kind: "succeeded", reused: true });
    world.needs();
    world.advance();
    expect([world.state("below"), world.run.pending]).toEqual(["ready", 1]);
    world.save(lease(world.all(), true, 0));
    world.result("below", SUCCEEDED);
    world.advance();
    expect(world.state("goal")).toBe("ready");
  });

  it.each<[string, boolean, Reach, object]>([
    [
      "nobody can build it",
      true,
      { anybody: ["system aarch64-linux"], partners: ["system aarch64-linux"] },
      { kind: "dependency-failed", cause: BELOW, verdict: "no-runner" },
    ],
    [
      "there is no exchange",
      false,
      SOMEBODY,
      {
        kind: "needs-exchange",
        drv: BELOW,
        system: "aarch64-linux",
        missing: ["system aarch64-linux"],
      },
    ],
    [
      "who can has another exchange",
      true,
      { anybody: null, partners: ["system aarch64-linux"] },
      { kind: "needs-exchange" },
    ],
  ])("says so when %s", (_name, exchange, reach, verdict) => {
    const world = new World();
    world.needs({ exchange });
    world.advance(reach);
    expect(world.verdict("goal")).toMatchObject(verdict);
    expect([world.waits, world.run.openDerivations, world.run.pending]).toEqual([[], 0, 0]);
  });

  it("is not given back for ever", () => {
    const world = new World();
    for (let round = 1; world.verdict("goal") === null; round += 1) {
      if (round > 50) throw new Error("for ever");
      const job = world.derivations.get(GOAL)?.job ?? 0;
      world.needs({}, job);
      world.advance();
      if (world.state("below") === "ready") {
        world.save(lease(world.all(), true, 0));
        world.result("below", SUCCEEDED);
        world.advance();
      }
      world.save(lease(world.all(), true, 0));
    }
    expect(world.verdict("goal")?.kind).toBe("infrastructure");
  });

  it("belongs to the job that gives it back: another's word changes nothing", () => {
    const world = new World();
    world.needs({}, 7);
    expect([world.state("goal"), world.waits]).toEqual(["leased", []]);
  });
});
