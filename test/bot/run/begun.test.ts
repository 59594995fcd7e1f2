import { describe, expect, it } from "vitest";
import type { DeployReason } from "../../../src/core/repo/request.ts";
import {
  NAMES,
  key,
  system,
  observation,
  active,
  running,
  jobs,
  numberOf,
  builds,
  looks,
  plans,
  ends,
} from "./deploying.ts";
import { HEAD } from "./harness.ts";

describe("what no person asked for", () => {
  const begun = (what: DeployReason["what"], rollout: string | null): { reason: DeployReason } => ({
    reason: {
      kind: "deploy",
      head: HEAD,
      ref: "refs/heads/main",
      pull: null,
      key: "push:web:1",
      what,
      begun: { by: "push", rollout },
    },
  });
  const rollout = begun({ kind: "deploy", targets: ["web2", "web1"], force: false }, "web");
  const ROLLOUTS = `
rollouts:
  other: { stages: [{ targets: ["web*"] }] }
  web: { on: push, stages: [web2, web1] }
policy: { deploy: { order: any, confirm: true } }
`;
  const onBranch = { holdsBase: "not-asked", onDefaultBranch: true } as const;

  it("goes by its own rollout's stages, and is not confirmed: there is nobody to do so", () =>
    running(
      rollout,
      async (bench) => {
        Object.assign(bench.neighbours.standing, onBranch);
        await builds(bench);
        await looks(bench);
        await plans(bench);
        const names = () =>
          jobs(bench, "deploy").map(({ work }) => work.kind === "deploy" && work.machine.name);
        expect(names()).toEqual(["web2"]);
        await ends(bench, "web2", active("web2"));
        expect(names()).toEqual(["web2", "web1"]);
        await ends(bench, "web1", active("web1"));
        await bench.pass(20_000);
        expect(bench.neighbours.checks()["snowcat / deploy"]).toMatchObject({
          conclusion: "success",
          actions: [],
        });
        // What the branch should run is told with the end.
        expect(bench.neighbours.systems).toEqual([
          NAMES.map((machine) => ({ machine, system: system(machine) })),
        ]);
      },
      ROLLOUTS,
    ));

  it("waits for checks that are not finished, and is refused by one that failed", () =>
    running(
      rollout,
      async (bench) => {
        const [own] = bench.neighbours.standing.checks ?? [];
        if (own === undefined) throw new Error("no check");
        Object.assign(bench.neighbours.standing, onBranch);
        own.conclusion = null;
        await builds(bench);
        await bench.pass(30 * 60_000);
        expect(await bench.run.view()).toMatchObject({ conclusion: null });
        expect(jobs(bench, "observe")).toEqual([]);
        own.conclusion = "success";
        await bench.pass(60_000);
        expect(jobs(bench, "observe")).toHaveLength(2);
      },
      ROLLOUTS,
    ));

  it("does not wait for a check that failed, nor for a branch that moved on", async () => {
    for (const change of ["failure", "moved"])
      await running(
        rollout,
        async (bench) => {
          const { standing } = bench.neighbours;
          const [own] = standing.checks ?? [];
          Object.assign(standing, onBranch, change === "moved" ? { onDefaultBranch: false } : {});
          if (own !== undefined && change === "failure") own.conclusion = "failure";
          await builds(bench);
          expect(await bench.run.view()).toMatchObject({ conclusion: "action_required" });
        },
        ROLLOUTS,
      );
  });

  it("goes on where the branch moved on, and begins nothing more of a commit that was pushed away", async () => {
    for (const [onDefaultBranch, deployed] of [
      ["passed", ["web2", "web1"]],
      [false, ["web2"]],
    ] as const)
      await running(
        rollout,
        async (bench) => {
          Object.assign(bench.neighbours.standing, onBranch);
          await builds(bench);
          await looks(bench);
          await plans(bench);
          Object.assign(bench.neighbours.standing, { onDefaultBranch });
          await ends(bench, "web2", active("web2"));
          const names = jobs(bench, "deploy").map(
            ({ work }) => work.kind === "deploy" && work.machine.name,
          );
          expect(names).toEqual(deployed);
        },
        ROLLOUTS,
      );
  });

  it("is, where it is a look at machines, no commit's check; what they say is told all the same", () =>
    running(begun({ kind: "observe", targets: ["web1", "web2"] }, null), async (bench) => {
      const [first, second] = jobs(bench, "observe");
      expect([first?.work, second?.work]).toMatchObject([
        { machines: [{ name: "web1" }] },
        { machines: [{ name: "web2" }] },
      ]);
      const machine = { name: "web1", hostKey: key("web1") };
      const result = { kind: "observation" as const, observation: observation(bench.now) };
      await bench.frame(numberOf(first), { kind: "observed", machine, result });
      await bench.finish(numberOf(first));
      const silent = { kind: "unreachable" as const, why: "no route to host" };
      const other = { name: "web2", hostKey: key("web2") };
      await bench.frame(numberOf(second), { kind: "observed", machine: other, result: silent });
      await bench.finish(numberOf(second));
      await bench.pass(20_000);
      expect(bench.neighbours.told).toContainEqual([key("web2"), "unreachable", silent.why]);
      expect(bench.neighbours.told).toContainEqual([
        key("web1"),
        "observed",
        result.observation,
        expect.any(Number),
      ]);
      expect(bench.neighbours.checks()).toEqual({});
      expect(bench.neighbours.over).toHaveLength(1);
    }));
});
