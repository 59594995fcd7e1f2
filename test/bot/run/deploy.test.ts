import { describe, expect, it } from "vitest";
import type { DeployReason } from "../../../src/core/repo/request.ts";
import type { Attribute } from "../../../src/protocol/attribute.ts";
import type { MachineOutcome, Observation } from "../../../src/protocol/machine.ts";
import { type Bench, built, drv, evaluated, evaluating, HEAD } from "./harness.ts";

const NAMES = ["web1", "web2"] as const;
const key = (name: string) => `SHA256:${name.padEnd(43, "x")}`;
const OLD = `/nix/store/${"0".repeat(32)}-old`;
const system = (name: string) => `/nix/store/${"1".repeat(32)}-nixos-${name}`;
const CONFIGURATION = `
rollouts: { web: { stages: [web1, web2] } }
policy: { deploy: { order: any } }
`;
const asked = (what: DeployReason["what"]): { reason: DeployReason } => ({
  reason: {
    kind: "deploy",
    head: HEAD,
    ref: "refs/heads/topic",
    pull: 5,
    key: "comment:1:1",
    what,
  },
});
const deploy = (...targets: string[]) => asked({ kind: "deploy", targets, force: false });

const observation = (at: number, running = OLD): Observation => ({
  at,
  system: running,
  booted: running,
  profile: { number: 2, system: running, at: 1 },
  generations: [
    { number: 2, system: running, at: 1 },
    { number: 1, system: `${OLD}er`, at: 1 },
  ],
  failedUnits: [],
  nix: { freeBytes: 1, freeInodes: 1 },
  boot: null,
  counter: 0,
  unfinished: null,
  updaters: [],
  bootId: "x",
});
const active = (name: string, runs = system(name)): MachineOutcome => ({
  kind: "active",
  system: runs,
  generation: 3,
  notices: [],
  running: runs,
});
const rolledBack: MachineOutcome = {
  kind: "rolled-back",
  step: "health",
  why: "http: 500",
  failedUnits: [],
  running: OLD,
};

/** Of a run for machines, with both of them named by a runner. */
const running = (
  change: { reason: DeployReason },
  test: (bench: Bench) => Promise<void>,
  configuration = CONFIGURATION,
) =>
  evaluating(change, test, (neighbours) => {
    neighbours.policy = configuration;
    neighbours.machines = NAMES.map((name) => ({ name, hostKey: key(name), online: true }));
  });

const jobs = ({ neighbours }: Bench, kind: string) =>
  neighbours.queued.filter((job) => job.kind === kind);
const numberOf = (job: { job: string } | undefined) => Number(job?.job.split(".").at(-1));
const notices = async ({ run }: Bench) => (await run.view())?.notices.join("\n") ?? "";

/** Evaluates and builds the systems of both. */
async function builds({ frame, finish, pass, neighbours }: Bench): Promise<void> {
  const attributes = NAMES.map((name): Attribute => ({
    selection: 0,
    path: ["nixosConfigurations", name],
    system: null,
    seconds: 0.1,
    result: {
      kind: "derivation",
      derivation: {
        path: drv(name),
        name,
        system: "x86_64-linux",
        outputs: { out: system(name) },
        features: [],
      },
    },
  }));
  await frame(1, { kind: "attributes", attributes });
  await frame(1, evaluated);
  await finish(1);
  await pass(3_000);
  for (const job of neighbours.queued.filter(({ kind }) => kind === "build")) {
    const { work } = job;
    if (work.kind !== "build") throw new Error("a build job that builds nothing");
    const results = work.derivations.map(({ path }) => {
      const name = path.at(-1) ?? "";
      return { ...built(name), path, drv: drv(name) };
    });
    await frame(numberOf(job), { kind: "results", results });
    await finish(numberOf(job));
  }
  await pass();
}

/** Whatever is to be looked at is, and says that it runs this. */
async function looks(bench: Bench, system = OLD): Promise<void> {
  for (const job of jobs(bench, "observe")) {
    if (job.work.kind !== "observe") continue;
    const [machine] = job.work.machines;
    if (machine === undefined) continue;
    const result = { kind: "observation" as const, observation: observation(bench.now, system) };
    await bench.frame(numberOf(job), { kind: "observed", machine, result });
    await bench.finish(numberOf(job));
  }
  await bench.pass();
}

async function plans(bench: Bench): Promise<void> {
  const [job] = jobs(bench, "plan");
  if (job?.work.kind !== "plan") throw new Error("no plan was asked for");
  for (const { name, running } of job.work.machines)
    await bench.frame(numberOf(job), {
      kind: "planned",
      plan: {
        machine: name,
        manifest: {
          digest: "c".repeat(64),
          system: system(name),
          paths: 1,
          narBytes: 120,
          signature: `${"A".repeat(86)}==`,
          builder: "key",
        },
        running,
        closure: { kind: "unknown", why: "x" },
        units: { kind: "unknown", why: "x" },
        reboot: null,
        warnings: [],
      },
    });
  await bench.finish(numberOf(job));
  await bench.pass();
}

async function ends(bench: Bench, machine: string, outcome: MachineOutcome): Promise<void> {
  const job = jobs(bench, "deploy").find(
    ({ work }) => work.kind === "deploy" && work.machine.name === machine,
  );
  if (job === undefined) throw new Error(`no deploy of ${machine} was queued`);
  await bench.frame(numberOf(job), { kind: "step", machine, step: "activate" });
  await bench.frame(numberOf(job), { kind: "deployed", machine, outcome });
  await bench.finish(numberOf(job));
  await bench.pass();
}

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
      action: { kind: "generation", number: null, system: `${OLD}er` },
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
