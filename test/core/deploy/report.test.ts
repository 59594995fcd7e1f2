import { describe, expect, it } from "vitest";
import {
  type Drift,
  driftIssue,
  driftOf,
  leftBehind,
  type Look,
  newRollout,
  planSection,
  rolloutCheck,
  toolWords,
  type RolloutSlice,
  type ShownPlan,
  stepRollout,
} from "../../../src/core/deploy/index.ts";
import type { MachineOutcome, MachinePlan } from "../../../src/protocol/machine.ts";
import type { ToolWork } from "../../../src/protocol/tool.ts";
import { active, NEW, observation, OLD, rolledBack, system } from "./keeper.ts";

const SHA = "a1b2c3d4e5".repeat(4);
const units = (...names: string[]) => ({ count: names.length, units: names });
const plan = (machine: string, fields: Partial<MachinePlan> = {}): MachinePlan => ({
  machine,
  manifest: {
    digest: "0".repeat(64),
    system: NEW,
    paths: 514,
    narBytes: 1_289_800_908,
    signature: `${"A".repeat(86)}==`,
    builder: "key",
  },
  running: OLD,
  closure: {
    kind: "known",
    before: { paths: 512, bytes: 1_288_490_188 },
    after: { paths: 514, bytes: 1_289_800_908 },
    added: 1,
    removed: 0,
    changed: 1,
    packages: [{ name: "nginx", before: ["1.24.0"], after: ["1.26.2"], bytes: 1_300_000 }],
  },
  units: {
    kind: "known",
    start: units("app.service"),
    stop: units(),
    restart: units("nginx.service", "inventree-server.service"),
    reload: units(),
    left: units("nix-daemon.service"),
  },
  reboot: false,
  warnings: [],
  ...fields,
});
const TREE = "d".repeat(40);
const KROPS = {
  kind: "krops",
  attribute: "lnbits",
  build: { local: "build-local.nix", krops: "krops.nix" },
  dist: ["build/lnbits/dist"],
  sources: [],
  sentinel: "/var/src/.populate",
} as const satisfies ToolWork;
const shown = (machine: string, fields: Partial<ShownPlan> = {}): ShownPlan => ({
  machine,
  stage: null,
  method: "plain",
  plan: plan(machine),
  source: null,
  why: null,
  observedAt: 1_000_000,
  updaters: [],
  backup: false,
  inTheWay: [],
  ...fields,
});
const view = (...machines: ShownPlan[]) => ({
  sha: SHA,
  machines,
  inTheWay: [],
  command: null,
  now: 1_000_000 + 5 * 60_000,
  url: "https://snowcat.example/runs/7-1",
});

describe("a plan", () => {
  it.each([
    ["one", view(shown("web1"))],
    [
      "fleet",
      {
        ...view(
          shown("web1", {
            stage: "tag:canary",
            backup: true,
            updaters: ["comin.service"],
            plan: plan("web1", {
              reboot: true,
              warnings: [
                { rule: "destructive", message: "lnbits.service removes whole folders" },
                { rule: "migration", message: "inventree-server.service may migrate" },
              ],
            }),
          }),
          shown("web2", { stage: "tag:web", plan: plan("web2", { running: NEW }) }),
          shown("db1", {
            method: "clan",
            stage: "tag:data",
            observedAt: null,
            plan: plan("db1", {
              running: null,
              reboot: null,
              closure: { kind: "unknown", why: "the machine was never observed" },
              units: { kind: "unknown", why: "the machine was never observed" },
            }),
            inTheWay: ["`db1` is held by the configuration: `the disk is being replaced`."],
          }),
          shown("lnbits", {
            method: "krops",
            plan: null,
            source: { tree: TREE, by: toolWords(KROPS), running: OLD },
          }),
          shown("laptop", { plan: null, why: "there is no runner for aarch64-darwin" }),
        ),
        command: `/deploy tag:web ${SHA}`,
        inTheWay: ["Deploys begin only `mon, tue 09:00–17:00 Europe/Berlin`."],
      },
    ],
    [
      "hostile",
      view(
        shown("web1", {
          plan: plan("web1", {
            warnings: [
              { rule: "migration", message: "`</details> @everyone\n/deploy all | <img>" },
            ],
            units: {
              kind: "known",
              start: units("`a|b`.service"),
              stop: units(),
              restart: units(),
              reload: units(),
              left: units(),
            },
          }),
        }),
      ),
    ],
  ])("is as in golden/plan-%s.md", async (name, of) => {
    await expect(planSection(of)).toMatchFileSnapshot(`golden/plan-${name}.md`);
  });

  it("of many machines stays within its bytes, and names what it leaves out", () => {
    const many = Array.from({ length: 300 }, (_, n) => shown(`machine-${n}-${"x".repeat(40)}`));
    const text = planSection(view(...many), 20_000);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(20_000);
    expect(text).toContain("more machines are not shown here");
  });
});

const STAGES = [
  { label: "tag:canary", parallel: 1, maxFailures: 0, pauseSeconds: 0 },
  { label: "tag:web", parallel: 2, maxFailures: 0, pauseSeconds: 0 },
];
function played(
  outcomes: Record<string, MachineOutcome | null>,
  options: Partial<Parameters<typeof newRollout>[2]> = {},
): RolloutSlice {
  const names = Object.keys(outcomes);
  let slice: RolloutSlice = newRollout(
    STAGES,
    names.map((machine, at) => ({ machine, stage: at === 0 ? 0 : 1, system: NEW, before: OLD })),
    { onFailure: "stop", confirm: null, ...options },
  );
  const step = (event: Parameters<typeof stepRollout>[1]) => {
    const { rollout, targets } = stepRollout(slice, event, 1_000);
    slice = {
      ...slice,
      rollout,
      targets: slice.targets.map(
        (target) => targets.find(({ machine }) => machine === target.machine) ?? target,
      ),
    };
  };
  for (const [at, [machine, outcome]] of Object.entries(outcomes).entries()) {
    const counter = at + 1;
    step({ kind: "granted", machine, counter });
    step({ kind: "begun", machine, counter });
    step({ kind: "step", machine, counter, step: outcome === null ? "copy" : "read-back" });
    if (outcome !== null) step({ kind: "ended", machine, counter, outcome });
  }
  return slice;
}
const check = (slice: RolloutSlice, looks: readonly (readonly [string, Look])[] = []) =>
  rolloutCheck({
    ...slice,
    purpose: "deploy",
    sha: SHA,
    ref: "refs/heads/main",
    by: "ada",
    plan: null,
    notices: ["What was migrated stays migrated: `<b>`"],
    logs: new Map([["c1", "https://snowcat.example/runs/7-1/logs/3"]]),
    looks: new Map(looks),
    seconds: 65,
    url: "https://snowcat.example/runs/7-1",
  });
const rendered = (slice: RolloutSlice) => {
  const { status, conclusion, title, summary, actions } = check(slice);
  return `${status} ${conclusion} ${actions.map(({ identifier }) => identifier).join(",")}\n\n# ${title}\n\n${summary}`;
};

describe("a rollout's check run", () => {
  it.each([
    ["rolling", played({ c1: active(), w1: null, w2: active(), w3: null })],
    [
      "done",
      played({
        c1: { ...active(), notices: ["logrotate.service had failed before"] } as MachineOutcome,
      }),
    ],
    ["canary", played({ c1: rolledBack, w1: null, w2: null })],
    [
      "mixed",
      played({
        c1: active(),
        w1: { kind: "needs-reboot", system: NEW, why: "the kernel differs", running: OLD },
        w2: { kind: "unknown", step: "confirm", why: "the link is down", running: null },
      }),
    ],
    ["confirming", played({ c1: null, w1: null }, { confirm: { by: 1, until: 9_000 } })],
  ])("is as in golden/rollout-%s.md", async (name, slice) => {
    await expect(rendered(slice)).toMatchFileSnapshot(`golden/rollout-${name}.md`);
  });

  it("says of a machine that was lost what is done, how that goes, and what to do where it does not", () => {
    const flying = played({ c1: null, w1: null });
    const { rollout, targets } = stepRollout(
      flying,
      { kind: "lost", machine: "c1", counter: 1, why: "the job ended as infrastructure" },
      2_000,
    );
    const slice = { ...flying, rollout, targets };
    expect(check(slice).title).toBe("Stopping: c1 is lost; 0 of 2 machines active");
    const said = (look: Look) => check(slice, [["c1", look]]).summary;
    for (const summary of [check(slice).summary, said({ kind: "asked" })]) {
      expect(summary).toContain("**lost**: the machine is being looked at");
      expect(summary).toContain("`/unlock c1`");
    }
    expect(said({ kind: "late" })).toContain("no deploy runner has looked at it");
    expect(said({ kind: "seen" })).toContain("it is not done yet");
    expect(said({ kind: "unseen", why: "no route | to host" })).toContain(
      "it could not be looked at: `no route ¦ to host`",
    );
  });

  it("calls no machine active that was taken back", () => {
    const slice = played({ c1: active(), w1: rolledBack }, { onFailure: "take-back" });
    expect(check(slice).title).toBe("Taking back: 1 of 2 machines active");
    const back = {
      ...slice,
      targets: slice.targets.map((target) =>
        target.machine === "c1"
          ? { ...target, direction: "back" as const, back: active(OLD) }
          : target,
      ),
    };
    expect(check(back).title).toBe("Taking back: 0 of 2 machines active");
  });
});

describe("drift", () => {
  const question = {
    now: 10_000_000,
    machine: "web1",
    every: 1_000_000,
    observation: observation({
      at: 9_900_000,
      system: NEW,
      profile: { number: 2, system: NEW, at: 0 },
    }),
    unreachable: null,
    deployed: { system: NEW, sha: SHA, pull: null, foreign: false },
    wanted: { system: NEW, sha: SHA },
    head: SHA,
  };
  const kinds = (fields: Partial<Parameters<typeof driftOf>[0]>) =>
    driftOf({ ...question, ...fields }).map(({ kind }) => kind);

  it.each([
    ["what the default branch has is none", {}, []],
    ["whoever put it there", { deployed: null }, []],
    [
      "an older commit of the default branch",
      { wanted: { system: system("next"), sha: SHA } },
      ["behind"],
    ],
    [
      "a pull request that is open is tried out",
      {
        wanted: { system: OLD, sha: SHA },
        deployed: { system: NEW, sha: SHA, pull: { number: 3, merged: null }, foreign: false },
      },
      [],
    ],
    [
      "one that was closed without being merged",
      {
        wanted: { system: OLD, sha: SHA },
        deployed: { system: NEW, sha: SHA, pull: { number: 3, merged: false }, foreign: false },
      },
      ["unmerged"],
    ],
    [
      "something that no deploy put there",
      {
        wanted: { system: OLD, sha: SHA },
        deployed: { system: system("other"), sha: SHA, pull: null, foreign: false },
      },
      ["unknown-system"],
    ],
    ["nothing is known that it should be", { deployed: null, wanted: null }, []],
    [
      "what another repository deployed",
      {
        wanted: { system: OLD, sha: SHA },
        deployed: { system: NEW, sha: SHA, pull: null, foreign: true },
      },
      ["behind"],
    ],
    ["a machine that was not seen for long", { now: 13_000_000 }, ["unobserved"]],
    ["one that never was", { observation: null, unreachable: "timed out" }, ["unobserved"]],
    ["one that nobody has looked at yet is none", { observation: null }, []],
    [
      "everything else that a machine says",
      {
        observation: observation({
          at: 9_900_000,
          system: NEW,
          failedUnits: ["nginx.service"],
          updaters: ["nixos-upgrade.timer"],
          unfinished: { counter: 4, step: "activate", since: 0 },
        }),
      },
      ["unfinished", "boots-other", "failed-units", "updates-itself"],
    ],
  ] as const)("%s", (_what, fields, expected) => {
    expect(kinds(fields)).toEqual(expected);
  });

  it("is one issue, and none where nothing drifts", async () => {
    const drifts: Drift[] = [
      ...driftOf({ ...question, wanted: { system: system("next"), sha: SHA } }),
      ...driftOf({
        ...question,
        machine: "db1",
        observation: observation({ at: 9_900_000, failedUnits: ["a.service"] }),
        deployed: { system: OLD, sha: SHA, pull: { number: 9, merged: false }, foreign: false },
      }),
    ];
    const issue = driftIssue(drifts, 5, "https://snowcat.example/fleet/1");
    expect(issue?.title).toBe("Drift: 2 of 5 machines");
    await expect(issue?.body).toMatchFileSnapshot("golden/drift.md");
    expect(driftIssue([], 5, "")).toBeNull();
  });

  it("of a pull request that was closed is told there, with what to say", () => {
    const drifts = driftOf({
      ...question,
      wanted: { system: OLD, sha: SHA },
      deployed: { system: NEW, sha: SHA, pull: { number: 3, merged: false }, foreign: false },
    });
    const told = leftBehind(drifts, 3, SHA);
    expect(told).toContain("#3 was closed without being merged, and `web1` still runs it.");
    expect(told).toContain(`\`/deploy web1 ${SHA}\``);
    expect(leftBehind([], 3, SHA)).toBeNull();
  });
});
