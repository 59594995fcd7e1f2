import { describe, expect, it } from "vitest";
import type { DeployReason } from "../../../src/core/repo/request.ts";
import type { MachineView } from "../../../src/bot/objects/contracts.ts";
import {
  DeployWork,
  type MachineOutcome,
  type Observation,
} from "../../../src/protocol/machine.ts";
import * as web from "./deploying.ts";
import { BASE, type Bench, drv, evaluated, evaluating, HEAD, TREE } from "./harness.ts";

const path = (name: string) => `/nix/store/${"0".repeat(32)}-${name}`;
const OLD = path("old");
const OLDER = path("older");
const NEW = path("new");
const key = (name: string) => `SHA256:${name.padEnd(43, "x")}`;
const KROPS = `
machines:
  discover: []
  defaults: { method: krops }
  pict: { krops: { local: build-local.nix } }
  lnbits: {}
rollouts: { all: { stages: [pict, lnbits], on_failure: take-back } }
policy: { deploy: { order: any } }
`;
const CLUSTER = `
machines:
  discover: []
  csi: { method: kubernetes, kubernetes: { file: default.nix, attribute: kubenixEval.deploymentScript } }
  lnbits: { method: krops }
policy: { deploy: { order: any } }
`;
const asked = (what: DeployReason["what"]): { reason: DeployReason } => ({
  reason: { kind: "deploy", head: HEAD, ref: "refs/heads/topic", pull: 5, key: "k", what },
});
const deploy = (targets: string[], more = {}) =>
  asked({ kind: "deploy", targets, force: false, ...more });

const observation = (at: number): Observation => ({
  at,
  system: OLD,
  booted: OLD,
  profile: { number: 7, system: OLD, at: 1 },
  generations: [
    { number: 7, system: OLD, at: 1 },
    { number: 6, system: path("other"), at: 1 },
    { number: 4, system: OLDER, at: 1 },
  ],
  failedUnits: [],
  nix: { freeBytes: 1, freeInodes: 1 },
  boot: null,
  counter: 0,
  unfinished: null,
  updaters: [],
  bootId: "x",
});
const active = (runs: string): MachineOutcome => ({
  kind: "active",
  system: runs,
  generation: 8,
  notices: [],
  running: runs,
});
/** What a machine's object knows of deploys, newest first: commit and system. */
function history(...deploys: [sha: string, system: string, repository?: number][]): MachineView {
  return {
    counter: deploys.length,
    observation: null,
    unreachable: null,
    keeps: [],
    open: [],
    history: deploys.map(([sha, system, repository = 42], at) => ({
      key: `k${at}`,
      order: deploys.length - at,
      run: "42-1",
      machine: "m",
      owner: { repository, pull: null, by: "ann" },
      purpose: "deploy",
      method: "krops",
      sha,
      system: null,
      expected: null,
      force: false,
      state: "ended",
      counter: deploys.length - at,
      before: null,
      step: null,
      askedAt: 1,
      changedAt: 1,
      outcome: active(system),
    })),
  };
}

const running = (
  change: { reason: DeployReason },
  test: (bench: Bench) => Promise<void>,
  { configuration = KROPS, names = ["pict", "lnbits"] } = {},
) =>
  evaluating(change, test, (neighbours) => {
    neighbours.policy = configuration;
    neighbours.machines = names.map((name) => ({ name, hostKey: key(name), online: true }));
    for (const name of names) neighbours.views[key(name)] = history([BASE, OLD]);
  });
const jobs = ({ neighbours }: Bench, kind: string) =>
  neighbours.queued.filter((job) => job.kind === kind);
const numberOf = (job: { job: string } | undefined) => Number(job?.job.split(".").at(-1));
const notices = async ({ run }: Bench) => (await run.view())?.notices.join("\n") ?? "";
/** Works that were queued for a machine, each as a runner would read it. */
const works = (bench: Bench, machine: string) =>
  jobs(bench, "deploy").flatMap(({ work }) =>
    work.kind === "deploy" && work.machine.name === machine ? [DeployWork.parse(work)] : [],
  );

async function looks(bench: Bench): Promise<void> {
  for (const job of jobs(bench, "observe")) {
    if (job.work.kind !== "observe") continue;
    const [machine] = job.work.machines;
    if (machine === undefined) continue;
    const result = { kind: "observation" as const, observation: observation(bench.now) };
    await bench.frame(numberOf(job), { kind: "observed", machine, result });
    await bench.finish(numberOf(job));
  }
  await bench.pass();
}
async function ends(bench: Bench, machine: string, outcome: MachineOutcome): Promise<void> {
  const job = jobs(bench, "deploy").findLast(
    ({ work }) => work.kind === "deploy" && work.machine.name === machine,
  );
  await bench.frame(numberOf(job), { kind: "deployed", machine, outcome });
  await bench.finish(numberOf(job));
  await bench.pass();
}

describe("machines that build by themselves", () => {
  it("are deployed by their tree: nothing is evaluated, built or compared before", () =>
    running(deploy(["pict"]), async (bench) => {
      await looks(bench);
      for (const kind of ["evaluate", "build", "plan"]) expect(jobs(bench, kind)).toEqual([]);
      expect(works(bench, "pict")).toMatchObject([
        {
          method: "krops",
          tool: { kind: "krops", attribute: "pict", build: { local: "build-local.nix" } },
          source: { sha: HEAD, tree: TREE, ref: "refs/heads/topic" },
          action: { kind: "source", tree: TREE },
          sha: HEAD,
          expected: OLD,
        },
      ]);
      await ends(bench, "pict", active(NEW));
      expect(await bench.run.view()).toMatchObject({ state: "finished", conclusion: "success" });
    }));

  it("are planned without being contacted: the plan says which tree, which tool, and what it cannot show", () =>
    running(asked({ kind: "plan", targets: [], force: false }), async (bench) => {
      await bench.pass(2_000);
      expect(bench.neighbours.queued).toEqual([]);
      const check = bench.neighbours.checks()["snowcat / plan"];
      expect(check).toMatchObject({ status: "completed", conclusion: "success" });
      expect(check?.text).toContain(TREE.slice(0, 10));
      expect(check?.text).toContain("`krops.nix`");
      expect(check?.text).toContain("not shown");
      // The pull request's comment says the same, and how to carry it out.
      const told = bench.neighbours.sections.get("plan");
      expect(told).toContain("`krops.nix`");
      expect(told).toContain(`/deploy lnbits pict ${HEAD}`);
    }));

  it("are planned where their tool cannot be called, and the plan says why they would not be deployed", async () => {
    const configuration = KROPS.replace("lnbits: {}", "lnbits: { krops: { dist: [../..] } }");
    const why = "it cannot be deployed by krops: dist.0 is not one";
    await running(
      asked({ kind: "plan", targets: ["lnbits"], force: false }),
      async (bench) => {
        await bench.pass(2_000);
        const check = bench.neighbours.checks()["snowcat / plan"];
        expect(check?.text).toContain(`\`lnbits\`: \`${why}\``);
      },
      { configuration },
    );
    await running(
      deploy(["lnbits"]),
      async (bench) => {
        expect(await notices(bench)).toContain(why);
        expect(bench.neighbours.queued).toEqual([]);
        expect(await bench.run.view()).toMatchObject({ conclusion: "action_required" });
      },
      { configuration },
    );
  });

  it("that come after one that fails go back to the sources of before, as far as anybody knows them", () =>
    running(deploy(["pict", "lnbits"]), async (bench) => {
      await looks(bench);
      await ends(bench, "pict", active(NEW));
      await ends(bench, "lnbits", {
        kind: "rolled-back",
        step: "health",
        why: "503",
        failedUnits: [],
        running: OLD,
      });
      const [, back] = works(bench, "pict");
      expect(back).toMatchObject({
        tool: { kind: "krops" },
        source: { sha: BASE, tree: TREE },
        action: { kind: "generation", number: null, system: OLD },
        // What this deploy put there, which nobody knew before.
        expected: NEW,
        health: [],
      });
    }));
});

describe("a rollback", () => {
  const back = (generation: number | "last-good" | null) =>
    asked({ kind: "rollback", machine: "lnbits", generation });

  it("of a machine that builds by itself brings the sources of that generation", () =>
    running(back(4), async (bench) => {
      bench.neighbours.views[key("lnbits")] = history(["a".repeat(40), OLD], [BASE, OLDER]);
      await looks(bench);
      expect(works(bench, "lnbits")).toMatchObject([
        {
          source: { sha: BASE, tree: TREE },
          action: { kind: "generation", number: 4, system: OLDER },
          expected: null,
        },
      ]);
      expect(await notices(bench)).toContain("stays migrated");
    }));

  it("says so where nobody knows them, or another repository put them there", () =>
    running(back(4), async (bench) => {
      bench.neighbours.views[key("lnbits")] = history([BASE, OLDER, 43]);
      await looks(bench);
      expect(works(bench, "lnbits")).toMatchObject([{ source: null }]);
      expect(await notices(bench)).toContain("its sources stay as they are");
    }));

  it("to the last good deploy passes over what was not well", () =>
    running(back("last-good"), async (bench) => {
      bench.neighbours.views[key("lnbits")] = history([HEAD, OLD], [BASE, OLDER]);
      await looks(bench);
      expect(works(bench, "lnbits")).toMatchObject([
        { action: { kind: "generation", number: 4, system: OLDER }, source: { sha: BASE } },
      ]);
    }));

  it.each([
    ["last-good", history([HEAD, OLD]), "No deploy is known"],
    ["last-good", history([BASE, NEW]), "deploy that commit again"],
    [5, history(), "It has no generation 5. There are: 7, 6, 4."],
    [7, history(), "already"],
  ] as const)("to %s that is not there is refused, and nothing is touched", (to, view, why) =>
    running(back(to), async (bench) => {
      bench.neighbours.views[key("lnbits")] = view;
      await looks(bench);
      expect(jobs(bench, "deploy")).toEqual([]);
      expect(await notices(bench)).toContain(why);
      expect(await bench.run.view()).toMatchObject({ conclusion: "action_required" });
    }),
  );
});

describe("a cluster", () => {
  const names = ["csi", "lnbits"];
  const where = { configuration: CLUSTER, names };
  const pruned = ({ tool }: { tool: unknown }) => tool;

  it("is pruned where that was asked for, this once", async () => {
    for (const prune of [true, false])
      await running(
        deploy(["csi"], prune ? { prune } : {}),
        async (bench) => {
          await looks(bench);
          expect(works(bench, "csi").map(pruned)).toMatchObject([{ kind: "kubernetes", prune }]);
        },
        where,
      );
  });

  it("is the only thing that can be", () =>
    running(
      deploy(["csi", "lnbits"], { prune: true }),
      async (bench) => {
        expect(await notices(bench)).toContain("`lnbits` is no cluster");
        expect(bench.neighbours.queued).toEqual([]);
      },
      where,
    ));
});

describe("a machine that builds by itself, beside others", () => {
  const MIXED = `${KROPS.replace("discover: []", "discover: [nixosConfigurations]")}`.replace(
    "lnbits: {}",
    "lnbits: { method: colmena }",
  );

  it("is deployed without the others' systems being built, and the others with the tool and the tree", () =>
    running(
      deploy(["pict"]),
      async (bench) => {
        const { frame, finish, pass } = bench;
        await frame(1, {
          kind: "attributes",
          attributes: [
            {
              selection: 0,
              path: ["nixosConfigurations", "lnbits"],
              system: null,
              seconds: 0.1,
              result: {
                kind: "derivation",
                derivation: {
                  path: drv("lnbits"),
                  name: "lnbits",
                  system: "x86_64-linux",
                  outputs: { out: NEW },
                  features: [],
                },
              },
            },
          ],
        });
        await frame(1, evaluated);
        await finish(1);
        await pass(3_000);
        expect(jobs(bench, "build")).toEqual([]);
        await looks(bench);
        expect(works(bench, "pict")).toMatchObject([{ action: { kind: "source" } }]);
      },
      { configuration: MIXED },
    ));
});

describe("a closure that an outside tool activates", () => {
  const COLMENA = `
machines: { web1: { method: colmena, warn: [{ when: lnbits, says: deletes what users installed }] } }
policy: { deploy: { order: any, confirm: true } }
`;

  it("comes with the tree and the tool's call; on the way back it is a generation alone", () =>
    web.running(
      web.deploy("web1"),
      async (bench) => {
        await web.builds(bench);
        await web.looks(bench);
        expect(jobs(bench, "plan")[0]?.work).toMatchObject({
          machines: [{ warn: [{ when: "lnbits", says: "deletes what users installed" }] }],
        });
        await web.plans(bench);
        await bench.pass(2_000);
        // Who asked sees what the button says yes to.
        const check = bench.neighbours.checks()["snowcat / deploy"];
        expect(check).toMatchObject({ status: "queued", actions: [{ identifier: "confirm" }] });
        for (const word of [HEAD, web.system("web1"), web.OLD])
          expect(check?.summary).toContain(word);
        await bench.run.confirm(9);
        await bench.pass();
        expect(works(bench, "web1")).toMatchObject([
          {
            tool: { kind: "colmena", directory: ".", node: "web1" },
            source: { sha: HEAD, tree: TREE },
            action: { kind: "system", system: web.system("web1") },
          },
        ]);
      },
      COLMENA,
    ));

  it("goes back without the tool's tree", () =>
    web.running(
      web.asked({ kind: "rollback", machine: "web1", generation: null }),
      async (bench) => {
        await web.looks(bench);
        expect(works(bench, "web1")).toMatchObject([
          { method: "colmena", tool: { kind: "colmena" }, source: null },
        ]);
      },
      COLMENA,
    ));

  it("is not plain's, which has neither", () =>
    web.running(web.deploy("web2"), async (bench) => {
      await web.builds(bench);
      await web.looks(bench);
      await web.plans(bench);
      expect(works(bench, "web2")).toMatchObject([{ method: "plain", tool: null, source: null }]);
    }));
});
