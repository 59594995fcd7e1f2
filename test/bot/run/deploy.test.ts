import { describe, expect, it } from "vitest";
import {
  NAMES,
  key,
  OLD,
  system,
  asked,
  deploy,
  active,
  rolledBack,
  running,
  jobs,
  numberOf,
  notices,
  builds,
  looks,
  observation,
  plans,
  ends,
} from "./deploying.ts";
import type { ToRun } from "../../../src/protocol/data.ts";
import { evaluating, HEAD } from "./harness.ts";

describe("a plan", () => {
  it("evaluates and builds the machines that are meant in the deploy pool, and contacts none", () =>
    running(asked({ kind: "plan", targets: ["web1"], force: false }), async (bench) => {
      expect(bench.neighbours.queued[0]).toMatchObject({
        kind: "evaluate",
        pool: "deploy",
        work: {
          source: { ref: "refs/heads/topic", sha: HEAD },
          selections: [{ attributes: ["nixosConfigurations", "darwinConfigurations"] }],
        },
      });
      await builds(bench);
      const built = jobs(bench, "build").flatMap(({ work }) =>
        work.kind === "build" ? work.derivations.map(({ path }) => path.at(-1)) : [],
      );
      expect(built).toEqual(["web1"]);
      await plans(bench);
      expect(await bench.run.view()).toMatchObject({ state: "finished", conclusion: "success" });
      expect(["observe", "deploy"].flatMap((kind) => jobs(bench, kind))).toEqual([]);
    }));

  it("names a pattern that means nothing, and does nothing", () =>
    running(asked({ kind: "plan", targets: ["web1", "tag:db"], force: false }), async (bench) => {
      await builds(bench);
      expect(await bench.run.view()).toMatchObject({ conclusion: "action_required" });
      expect(await notices(bench)).toContain("`tag:db`");
      expect(jobs(bench, "plan")).toEqual([]);
    }));
});

describe("a deploy", () => {
  it("looks, plans, and goes stage by stage; each machine is told how it ended", () =>
    running(deploy("web*"), async (bench) => {
      await builds(bench);
      expect(jobs(bench, "observe").map(({ pool }) => pool)).toEqual(["deploy", "deploy"]);
      await looks(bench);
      await plans(bench);
      expect(jobs(bench, "deploy").map(({ work }) => work)).toEqual([
        expect.objectContaining({
          machine: { name: "web1", hostKey: key("web1") },
          counter: 1,
          sha: HEAD,
          expected: OLD,
          action: expect.objectContaining({ kind: "system", system: system("web1") }),
        }),
      ]);
      // Whatever makes closures goes where the machines' runners can use them; a look goes anywhere.
      const made = bench.neighbours.queued.filter(({ kind }) => kind !== "observe");
      expect(new Set(made.map(({ kind }) => kind))).toEqual(
        new Set(["evaluate", "build", "plan", "deploy"]),
      );
      for (const { near } of made) expect(near).toEqual(NAMES.map(key));
      for (const { near } of jobs(bench, "observe")) expect(near).toBeUndefined();
      await ends(bench, "web1", active("web1"));
      expect(jobs(bench, "deploy")).toHaveLength(2);
      await ends(bench, "web2", active("web2"));
      expect(await bench.run.view()).toMatchObject({ state: "finished", conclusion: "success" });
      const words = bench.neighbours.told.map(([of, word]) => [of.slice(7, 11), word]);
      for (const name of NAMES)
        expect(new Set(words.filter(([of]) => of === name).map(([, word]) => word))).toEqual(
          new Set(["ask", "end", "heard", "leave", "observed"]),
        );
    }));

  it("stops at the first that fails: the rest is never touched", () =>
    running(deploy("web1", "web2"), async (bench) => {
      await builds(bench);
      await looks(bench);
      await plans(bench);
      await ends(bench, "web1", rolledBack);
      expect(jobs(bench, "deploy")).toHaveLength(1);
      expect(await bench.run.view()).toMatchObject({ state: "finished", conclusion: "failure" });
    }));

  it("that somebody else's lock keeps away ends as held", () =>
    running(deploy("web1"), async (bench) => {
      bench.neighbours.turn = () => ({
        kind: "refused",
        refusal: { code: "locked", why: "It is locked for #7." },
      });
      await builds(bench);
      await looks(bench);
      await plans(bench);
      expect(jobs(bench, "deploy")).toEqual([]);
      expect(await bench.run.view()).toMatchObject({ conclusion: "action_required" });
    }));

  it("waits for its turn, and takes it when it is told", () =>
    running(deploy("web1"), async (bench) => {
      bench.neighbours.turn = () => ({ kind: "waiting", before: null });
      await builds(bench);
      await looks(bench);
      await plans(bench);
      expect(jobs(bench, "deploy")).toEqual([]);
      const told = bench.neighbours.told.find(([, word]) => word === "ask")?.[2];
      const turn = { kind: "granted", run: "42-1", machine: "web1", counter: 9 } as const;
      await bench.run.turn({ ...turn, key: "of another wish" });
      await bench.pass();
      expect(jobs(bench, "deploy")).toEqual([]);
      await bench.run.turn({ ...turn, key: String(told) });
      await bench.pass();
      expect(jobs(bench, "deploy")[0]?.work).toMatchObject({ counter: 9 });
    }));

  it("whose runner was lost is not made again: its machine is looked at, and what was seen counts", () =>
    running(deploy("web*"), async (bench) => {
      await builds(bench);
      await looks(bench);
      await plans(bench);
      const before = jobs(bench, "observe").length;
      await bench.run.offered("42-1.6", 1, "r1", null);
      const lost = { kind: "infrastructure" as const, message: "lost", logTail: "" };
      expect(await bench.finish(numberOf(jobs(bench, "deploy")[0]), lost)).toBe("applied");
      await bench.pass();
      expect(bench.neighbours.told.at(-1)?.slice(0, 2)).toEqual([key("web1"), "lose"]);
      await bench.run.look("web1");
      await bench.run.look("web1");
      await bench.pass();
      expect(jobs(bench, "observe")).toHaveLength(before + 1);
      const asked = bench.neighbours.told.find(([, word]) => word === "ask")?.[2];
      const outcome = { kind: "unknown", step: "activate", why: "?", running: null } as const;
      await bench.run.turn({
        kind: "settled",
        key: String(asked),
        run: "42-1",
        machine: "web1",
        outcome,
      });
      await bench.finish(numberOf(jobs(bench, "observe").at(-1)));
      await bench.pass();
      expect(jobs(bench, "deploy")).toHaveLength(1);
      expect(await bench.run.view()).toMatchObject({ conclusion: "action_required" });
    }));

  it.each([
    ["nothing", []],
    ["that it began", [{ kind: "step", machine: "web1", step: "connect" }]],
    [
      "how the machine was before, and steps",
      [
        { kind: "step", machine: "web1", step: "check" },
        {
          kind: "observed",
          machine: { name: "web1", hostKey: key("web1") },
          result: { kind: "observation", observation: observation(1_000_500) },
        },
        { kind: "step", machine: "web1", step: "activate" },
      ],
    ],
  ] as const)(
    "whose job throws after it told %s is lost at once, and never made again",
    (_, said) =>
      running(deploy("web*"), async (bench) => {
        await builds(bench);
        await looks(bench);
        await plans(bench);
        const before = jobs(bench, "observe").length;
        const job = numberOf(jobs(bench, "deploy")[0]);
        for (const word of said)
          expect(await bench.frame(job, word as ToRun)).not.toContain("stale");
        await bench.run.offered(`42-1.${job}`, 1, "r1", null);
        await bench.run.started(`42-1.${job}`, 1, "r1");
        await bench.finish(job, { kind: "infrastructure", message: "ENOENT", logTail: "" });
        await bench.pass();
        expect(bench.neighbours.told.map(([, word]) => word)).toContain("lose");
        await bench.run.look("web1");
        await bench.pass();
        expect(jobs(bench, "observe")).toHaveLength(before + 1);
        // What to do is said with it, and that nobody looks within minutes.
        const check = () => bench.neighbours.checks()["snowcat / deploy"];
        await bench.pass(10_000);
        expect(check()).toMatchObject({ status: "in_progress" });
        expect(check()?.title).toBe("Stopping: web1 is lost; 0 of 2 machines active");
        expect(check()?.summary).toContain("`/unlock web1`");
        expect(check()?.summary).toContain("the machine is being looked at");
        await bench.pass(120_000);
        expect(check()?.summary).toContain("no deploy runner has looked at it for minutes");
        const machine = { name: "web1", hostKey: key("web1") };
        const silent = { kind: "unreachable" as const, why: "no route to host" };
        const look = numberOf(jobs(bench, "observe").at(-1));
        await bench.frame(look, { kind: "observed", machine, result: silent });
        await bench.finish(look);
        await bench.pass(10_000);
        expect(check()?.summary).toContain("it could not be looked at: `no route to host`");
        // It is still at it: that is said, and nobody is called late.
        await bench.run.look("web1");
        await bench.pass();
        const again = numberOf(jobs(bench, "observe").at(-1));
        const busy = { ...observation(bench.now), unfinished: { counter: 1, step: "x", since: 1 } };
        const seen = { kind: "observation" as const, observation: busy };
        await bench.frame(again, { kind: "observed", machine, result: seen });
        await bench.finish(again);
        await bench.pass(600_000);
        expect(check()?.summary).toContain("it is not done yet");
        expect(jobs(bench, "deploy")).toHaveLength(1);
        // Somebody lets go of the machine while it is looked at once more: nobody waits for that.
        await bench.run.look("web1");
        await bench.pass();
        const wish = bench.neighbours.told.find(([, word]) => word === "ask")?.[2];
        const outcome = { kind: "unknown", step: "activate", why: "?", running: null } as const;
        const turn = { run: "42-1", machine: "web1", key: String(wish) } as const;
        await bench.run.turn({ kind: "settled", ...turn, outcome });
        await bench.pass();
        expect(bench.neighbours.cancelled).toEqual([jobs(bench, "observe").at(-1)?.job]);
        expect(await bench.run.view()).toMatchObject({
          state: "finished",
          conclusion: "action_required",
        });
        expect(jobs(bench, "deploy")).toHaveLength(1);
      }),
  );

  it("is not begun while the policy objects", () =>
    running(
      deploy("web1"),
      async (bench) => {
        bench.neighbours.standing = { ...bench.neighbours.standing, holdsBase: false };
        await builds(bench);
        expect(await notices(bench)).toContain("Update the branch.");
        expect(jobs(bench, "observe")).toEqual([]);
        expect(await bench.run.view()).toMatchObject({ conclusion: "action_required" });
      },
      `policy: { deploy: {} }`,
    ));

  it("whose head has moved since is not begun, where its turn comes then; what is done stays and is told", () =>
    running(deploy("web*"), async (bench) => {
      await builds(bench);
      await looks(bench);
      await plans(bench);
      expect(jobs(bench, "deploy")).toHaveLength(1);
      // Somebody pushes while the first machine is being changed.
      bench.neighbours.standing = { ...bench.neighbours.standing, holdsBase: false };
      await ends(bench, "web1", active("web1"));
      expect(jobs(bench, "deploy")).toHaveLength(1);
      expect(await bench.run.view()).toMatchObject({ conclusion: "failure" });
      // Whoever waits for the second machine waits no longer.
      expect(bench.neighbours.told.filter(([, word]) => word === "end")).toHaveLength(2);
    }));

  it("waits for whoever asked to confirm it, and for nobody else", () =>
    running(
      deploy("web1"),
      async (bench) => {
        await builds(bench);
        await looks(bench);
        await plans(bench);
        expect(jobs(bench, "deploy")).toEqual([]);
        await bench.run.confirm(10);
        await bench.pass();
        expect(jobs(bench, "deploy")).toEqual([]);
        await bench.run.confirm(9);
        await bench.pass();
        expect(jobs(bench, "deploy")).toHaveLength(1);
      },
      `policy: { deploy: { confirm: true } }`,
    ));

  it("that somebody cancels brings to its end what has begun, and begins nothing more", () =>
    running(deploy("web*"), async (bench) => {
      await builds(bench);
      await looks(bench);
      await plans(bench);
      await bench.run.cancel("bob");
      await bench.pass();
      expect(bench.neighbours.cancelled).toEqual([]);
      await ends(bench, "web1", active("web1"));
      expect(jobs(bench, "deploy")).toHaveLength(1);
      expect((await bench.run.view())?.state).toBe("finished");
    }));

  it("takes no word of a machine that its job is not about, or that is another one", () =>
    running(deploy("web*"), async (bench) => {
      await builds(bench);
      await looks(bench);
      await plans(bench);
      const job = numberOf(jobs(bench, "deploy")[0]);
      const foreign = { kind: "deployed", machine: "web2", outcome: active("web2") } as const;
      expect((await bench.frame(job, foreign)).join("")).toContain("not about a machine web2");
      const machine = { name: "web1", hostKey: key("web2") };
      const result = { kind: "unreachable" as const, why: "x" };
      expect((await bench.frame(job, { kind: "observed", machine, result })).join("")).toContain(
        "another host key",
      );
    }));
});

it("a rollback is built by nobody: the machine goes to the generation before, from wherever it is", () =>
  running(asked({ kind: "rollback", machine: "web1", generation: null }), async (bench) => {
    expect(jobs(bench, "evaluate")).toEqual([]);
    await looks(bench);
    expect(jobs(bench, "deploy")[0]?.work).toMatchObject({
      action: { kind: "generation", number: 1, system: `${OLD}er` },
      expected: null,
    });
    await ends(bench, "web1", active("web1", `${OLD}er`));
    expect(await bench.run.view()).toMatchObject({ conclusion: "success" });
  }));

it("GitHub is told of each machine's deployment, and of how it ended; and of the rollout in one check", () =>
  running(deploy("web*"), async (bench) => {
    const { neighbours } = bench;
    await builds(bench);
    await looks(bench);
    await plans(bench);
    await bench.pass(2_000);
    expect(neighbours.deployments).toMatchObject([
      { environment: "web1", sha: HEAD, state: "in_progress", version: 1, terminal: false },
    ]);
    await ends(bench, "web1", rolledBack);
    await bench.pass(20_000);
    expect(neighbours.deployments).toHaveLength(2);
    expect(neighbours.deployments[1]).toMatchObject({
      resource: neighbours.deployments[0]?.resource,
      version: 2,
      state: "failure",
      terminal: true,
      description: "rolled back: health: http: 500",
      payload: { from: OLD, to: system("web1"), by: "ann", counter: 1 },
    });
    expect(Object.keys(neighbours.checks())).toEqual(["snowcat / deploy"]);
    expect(neighbours.checks()["snowcat / deploy"]).toMatchObject({
      status: "completed",
      conclusion: "failure",
      actions: [],
    });
    expect(neighbours.checks()["snowcat / deploy"]?.summary).toContain("**rolled back**");
  }));

it("a machine that no runner's policy names is nobody's", () =>
  evaluating(deploy("web1"), async ({ run }) => {
    expect(await run.view()).toMatchObject({ state: "finished", conclusion: "action_required" });
  }));
