import { describe, expect, it } from "vitest";
import type { Attribute } from "../../../src/protocol/attribute.ts";
import type { MachineDifference } from "../../../src/protocol/impact.ts";
import type { Work } from "../../../src/protocol/specification.ts";
import { BASE, type Bench, broken, built, drv, evaluating, HEAD, MERGE, TREE } from "./harness.ts";

/** A machine's system. */
const machine = (name: string, derivation = drv(name)): Attribute => ({
  selection: 0,
  path: ["nixosConfigurations", name],
  system: null,
  seconds: 0.1,
  result: {
    kind: "derivation",
    derivation: {
      path: derivation,
      name,
      system: "x86_64-linux",
      outputs: { out: null },
      features: [],
    },
  },
});
const ill = (name: string): Attribute => ({
  ...broken(name),
  path: ["nixosConfigurations", name],
  system: null,
});

const whole = {
  kind: "evaluated" as const,
  evaluator: "nix",
  degraded: null,
  seconds: 1,
  peakBytes: null,
  warnings: [],
  missing: [],
};

/** The head's evaluation, to its end. */
async function evaluates({ frame, finish, pass }: Bench, attributes: Attribute[]): Promise<void> {
  await frame(1, { kind: "attributes", attributes });
  await frame(1, whole);
  await finish(1);
  await pass();
}

const numberOf = (job: string): number => Number(job.split(".").at(-1));
/** The commit of work on a tree; none of work on machines. */
const shaOf = (work: Work) => ("source" in work ? (work.source?.sha ?? "") : "");
const jobOf = ({ neighbours }: Bench, wanted: (kind: string, sha: string) => boolean) => {
  const found = neighbours.queued.find(({ kind, work }) => wanted(kind, shaOf(work)));
  if (found === undefined) throw new Error("no such job was queued");
  return found;
};
const baseJob = (bench: Bench) => jobOf(bench, (_kind, sha) => sha === BASE);
const buildJob = (bench: Bench) => jobOf(bench, (kind) => kind === "build");
const impactJob = (bench: Bench) => jobOf(bench, (kind) => kind === "impact");
const section = ({ neighbours }: Bench): string => neighbours.sections.get("impact") ?? "";

/** Everything that was to be built is. */
async function builds(bench: Bench, names: string[], of: (name: string) => string = drv) {
  const number = numberOf(buildJob(bench).job);
  await bench.frame(number, {
    kind: "results",
    results: names.map((name) => ({
      ...built(name, undefined, null, of(name)),
      path: ["nixosConfigurations", name],
    })),
  });
  await bench.finish(number);
  await bench.pass(60_000);
}

const difference = (before: string, after: string): MachineDifference => ({
  before,
  after,
  derivation: {
    kind: "known",
    changed: 1,
    added: 0,
    removed: 0,
    inputs: [{ before: "nginx-1.24", after: "nginx-1.26" }],
    origins: [{ before: "nginx-1.24", after: "nginx-1.26", differs: ["variable version"] }],
    bounded: false,
  },
  closure: { kind: "unknown", why: "the base's machine is not built on this runner" },
});

describe("the impact of a pull request", () => {
  it("has its base evaluated beside the run where there are machines, which waits for nothing", () =>
    evaluating({}, async (bench) => {
      const { neighbours, frame, finish, pass, run } = bench;
      await evaluates(bench, [machine("a1"), machine("b2", drv("b20")), ill("c3")]);
      expect(baseJob(bench)).toMatchObject({
        kind: "evaluate",
        pool: "trusted",
        exchange: null,
        work: {
          kind: "evaluate",
          source: { sha: BASE, tree: TREE, ref: "refs/pull/5/merge", revision: false },
        },
      });
      await builds(bench, ["a1", "b2"], (name) => (name === "b2" ? drv("b20") : drv(name)));
      // The run is over while its base is still evaluated.
      expect(await run.view()).toMatchObject({ state: "finished", conclusion: "failure" });
      expect(neighbours.sections.get("impact")).toBeUndefined();

      const base = numberOf(baseJob(bench).job);
      await frame(base, {
        kind: "attributes",
        attributes: [machine("a1"), machine("b2", drv("b2")), machine("c3"), machine("d4")],
      });
      await frame(base, { ...whole, missing: ["nothing of the run's"] });
      await finish(base);
      await pass(10_000);
      expect(neighbours.evaluations).toEqual([
        { sha: BASE, pool: "trusted", blob: "evaluations/42-1-base.ndjson" },
      ]);
      expect(section(bench)).toContain("**3 of 4 machines change.**");
      expect(section(bench)).toContain(
        "| `c3` | **cannot be evaluated**: `attribute 'x' missing` |",
      );
      expect(section(bench)).toContain("Unchanged: `a1`");

      // The machine that changed is looked into, on the runner that evaluated.
      expect(impactJob(bench)).toMatchObject({
        needs: { system: null, features: [] },
        work: {
          source: { sha: MERGE },
          base: { sha: BASE, revision: false },
          machines: [
            {
              selection: 0,
              path: ["nixosConfigurations", "b2"],
              before: drv("b2"),
              after: drv("b20"),
            },
          ],
        },
      });
      const look = numberOf(impactJob(bench).job);
      await frame(look, { kind: "impact", difference: difference(drv("b2"), drv("b20")) });
      // Of a machine that nobody asked about nothing is taken.
      await frame(look, { kind: "impact", difference: difference(drv("a1"), drv("b20")) });
      await finish(look);
      await pass(10_000);
      expect(section(bench)).toContain("`nginx-1.24` → `nginx-1.26`: `variable version`");
      expect(section(bench)).not.toContain("is being looked at");
      const check = neighbours.checks()["snowcat / evaluation"];
      expect(check?.summary).toContain("**3 of 4 machines change.**");
      expect(await run.view()).toMatchObject({ state: "finished", conclusion: "failure" });
      // Nothing of the base is among the run's.
      expect((await run.attributes(0, 100)).map(({ name }) => name)).toEqual([
        "nixosConfigurations.a1",
        "nixosConfigurations.b2",
        "nixosConfigurations.c3",
      ]);
      // Its page has all of it.
      const shown = await run.impact();
      expect(shown).toMatchObject({
        base: BASE,
        state: { kind: "compared", looking: false },
        machines: [
          { machine: "b2", difference: { before: drv("b2"), after: drv("b20") } },
          { machine: "c3", change: "broken", error: "attribute 'x' missing" },
          { machine: "d4", change: "removed" },
          { machine: "a1", change: "same", difference: null },
        ],
      });
      // It is kept when the rows go.
      await pass(30 * 60_000);
      expect(bench.sql.exec("SELECT count(*) AS n FROM machine").one()).toEqual({ n: 0 });
      expect(section(bench)).toContain("nginx-1.26");
      expect(await run.impact()).toEqual(shown);
    }));

  it("is plain where nothing changes, and asks no runner for it", () =>
    evaluating({}, async (bench) => {
      const { neighbours, pass } = bench;
      neighbours.evaluations.push({ sha: BASE, pool: "trusted", blob: "base" });
      neighbours.blobs.set(
        "base",
        `${JSON.stringify(["flake:.", "nixosConfigurations.a1", drv("a1")])}\n`,
      );
      await evaluates(bench, [machine("a1")]);
      await builds(bench, ["a1"]);
      await pass(60_000);
      expect(section(bench)).toContain("**Nothing changes:**");
      expect(neighbours.queued.map(({ kind }) => kind)).toEqual(["evaluate", "build"]);
    }));

  it("names machines that are gone, though none is left", () =>
    evaluating({}, async (bench) => {
      bench.neighbours.evaluations.push({ sha: BASE, pool: "trusted", blob: "base" });
      bench.neighbours.blobs.set(
        "base",
        `${JSON.stringify(["flake:.", "nixosConfigurations.a1", drv("a1")])}\n`,
      );
      await evaluates(bench, []);
      await bench.pass(10_000);
      expect(section(bench)).toContain("| `a1` | removed |");
    }));

  it("is evaluated anew where the base was asked for something else", () =>
    evaluating({}, async (bench) => {
      bench.neighbours.evaluations.push({ sha: BASE, pool: "trusted", blob: "base" });
      bench.neighbours.blobs.set("base", `${JSON.stringify({ selections: "another" })}\n`);
      await evaluates(bench, [machine("a1")]);
      expect(baseJob(bench).work.kind).toBe("evaluate");
    }));

  it.each<[string, (bench: Bench) => Promise<void>, string]>([
    [
      "the base cannot be evaluated",
      async (bench) => {
        const verdict = { kind: "evaluation-error", message: "no", position: null } as const;
        await bench.finish(numberOf(baseJob(bench).job), verdict);
      },
      "The base could not be evaluated: `evaluation-error: no`.",
    ],
    [
      "nobody evaluates it in time",
      async (bench) => bench.pass(3 * 3_600_000),
      "The base could not be evaluated: `cancelled: the limit of 2 hours`.",
    ],
  ])("is said to be unknown where %s, and nothing else changes", (_why, happens, said) =>
    evaluating({}, async (bench) => {
      await evaluates(bench, [machine("a1")]);
      await builds(bench, ["a1"]);
      await happens(bench);
      await bench.pass(60_000);
      expect(section(bench)).toContain(`**Unknown.** ${said}`);
      expect(await bench.run.view()).toMatchObject({ state: "finished", conclusion: "success" });
      const open = bench.sql.exec("SELECT 1 FROM job WHERE state <> 'finished'").toArray();
      expect(open).toEqual([]);
    }),
  );

  it("is said to be unknown where no runner can evaluate the base", () =>
    evaluating({}, async (bench) => {
      bench.neighbours.missing = ({ work }) => (shaOf(work) === BASE ? ["disk"] : null);
      await evaluates(bench, [machine("a1")]);
      await builds(bench, ["a1"]);
      expect(section(bench)).toContain("`no-runner: disk`");
      expect(await bench.run.view()).toMatchObject({ conclusion: "success" });
    }));

  it("shows the base under the revision of the commit where flakes read theirs", () =>
    evaluating(
      {},
      async (bench) => {
        const { neighbours, frame, finish, pass } = bench;
        neighbours.evaluations.push({ sha: BASE, pool: "trusted", blob: "base" });
        neighbours.blobs.set(
          "base",
          ["a1", "b2"]
            .map(
              (name) =>
                `${JSON.stringify(["flake:.", `nixosConfigurations.${name}`, drv(`${name}0`)])}\n`,
            )
            .join(""),
        );
        neighbours.commit = {
          ok: true,
          value: { tree: TREE, parents: [BASE, HEAD], committedAt: 1_700_000_000 },
        };
        await evaluates(bench, [machine("a1"), machine("b2")]);
        expect(baseJob(bench).work).toMatchObject({
          source: {
            sha: BASE,
            revision: false,
            shownAs: { sha: MERGE, lastModified: 1_700_000_000 },
          },
        });
        const base = numberOf(baseJob(bench).job);
        await frame(base, {
          kind: "attributes",
          attributes: [machine("a1"), machine("b2", drv("b2c"))],
        });
        await finish(base);
        await pass(10_000);
        expect(section(bench)).toContain("**1 of 2 machines changes.**");
        expect(section(bench)).toContain("Changed by the revision alone: `a1`");
        // As the base stands under another's revision, it is not what the base evaluates to.
        expect(neighbours.calls).not.toContain("rememberEvaluation");
        await builds(bench, ["a1", "b2"]);
        expect(impactJob(bench).work).toMatchObject({
          base: { sha: BASE, revision: true },
          machines: [{ before: drv("b20"), after: drv("b2") }],
        });
      },
      (neighbours) => {
        neighbours.policy = "evaluate: [{ flake: ., revision: true }]\n";
      },
    ));

  it("names declared machines that nothing has, and asks for the base even without any", () =>
    evaluating(
      {},
      async (bench) => {
        await evaluates(bench, []);
        const base = numberOf(baseJob(bench).job);
        await bench.finish(base);
        await bench.pass(10_000);
        expect(section(bench)).toContain("**not covered**");
        expect(section(bench)).toContain("`web7`");
      },
      (neighbours) => {
        neighbours.policy = "machines: { web7: { method: krops } }\n";
      },
    ));

  it("has the tags of an inventory, and names its machines that nothing covers", () =>
    evaluating({}, async (bench) => {
      const { neighbours, frame, finish, pass } = bench;
      neighbours.evaluations.push({ sha: BASE, pool: "trusted", blob: "base" });
      neighbours.blobs.set("base", "");
      await frame(1, { kind: "attributes", attributes: [machine("a1")] });
      const of = { selection: 0, class: "nixos" };
      await frame(1, {
        ...whole,
        inventory: [
          { ...of, machine: "a1", tags: ["web", "canary"] },
          { ...of, machine: "b2", tags: [] },
        ],
      });
      await finish(1);
      await pass(10_000);
      expect(section(bench)).toContain("| `a1` `web, canary` | added |");
      expect(section(bench)).toContain("nothing that was evaluated is the machine `b2`.");
    }));

  it("goes to the pool of the run, of a fork's to the untrusted one", () =>
    evaluating(
      {
        reason: {
          kind: "pull_request",
          number: 5,
          head: HEAD,
          headRef: "topic",
          base: BASE,
          baseRef: "main",
          fork: true,
          author: "eve",
        },
        approved: HEAD,
      },
      async (bench) => {
        await evaluates(bench, [machine("a1")]);
        expect(baseJob(bench)).toMatchObject({ pool: "untrusted", work: { kind: "evaluate" } });
        const base = numberOf(baseJob(bench).job);
        await bench.frame(base, {
          kind: "attributes",
          attributes: [machine("a1", drv("a2"))],
        });
        await bench.finish(base);
        await builds(bench, ["a1"]);
        expect(impactJob(bench).pool).toBe("untrusted");
        // What it says of the base is for nobody of a higher trust.
        expect(bench.neighbours.evaluations).toMatchObject([{ sha: BASE, pool: "untrusted" }]);
      },
      (neighbours) => {
        neighbours.classes = neighbours.classes.map((one) => ({ ...one, pool: "untrusted" }));
      },
    ));

  it("ends with the run that is superseded", () =>
    evaluating({}, async (bench) => {
      await evaluates(bench, [machine("a1")]);
      await builds(bench, ["a1"]);
      const { job } = baseJob(bench);
      await bench.run.supersede("42-2", false);
      await bench.pass(60_000);
      expect(bench.neighbours.cancelled).toEqual([job]);
      expect(await bench.run.view()).toMatchObject({ conclusion: "success" });
    }));

  it("takes no frame of one kind of job from another", () =>
    evaluating({}, async (bench) => {
      await evaluates(bench, [machine("a1")]);
      const base = numberOf(baseJob(bench).job);
      const sent = await bench.frame(base, {
        kind: "impact",
        difference: difference(drv("a1"), drv("b2")),
      });
      expect(sent.join()).toContain("says nothing of kind impact");
    }));
});
