import { describe, expect, it } from "vitest";
import type { RunReason } from "../../../src/core/repo/request.ts";
import type { Neighbours } from "./neighbours.ts";
import { attribute, BASE, broken, evaluated, evaluating, HEAD, MERGE } from "./harness.ts";

const BROKEN = "version: 1\nevalute: []\n";
const push: RunReason = { kind: "push", ref: "refs/heads/main", head: HEAD, before: BASE };
const group: RunReason = {
  kind: "merge_group",
  head: HEAD,
  headRef: "refs/heads/gh-readonly-queue/main/pr-5-x",
  base: BASE,
};
const CONFLICT: Neighbours["pull"] = {
  ok: true,
  value: { state: "open", head: HEAD, base: BASE, merge: { kind: "conflict" } },
};
const forked: RunReason = {
  kind: "pull_request",
  number: 5,
  head: HEAD,
  headRef: "topic",
  base: BASE,
  baseRef: "main",
  fork: true,
  author: "eve",
};

describe("a configuration that is faulty", () => {
  it("is marked on its own line of the pull request that brings it, and nothing runs", () =>
    evaluating(
      {},
      async ({ neighbours }) => {
        expect(neighbours.checks()["snowcat"]).toMatchObject({
          conclusion: "failure",
          annotations: [
            { path: ".github/snowcat.yml", start_line: 2, annotation_level: "failure" },
          ],
        });
        expect(JSON.stringify(neighbours.checks())).not.toMatch(/\\u001b|\u202e/u);
        expect(JSON.stringify(neighbours.checks())).toContain("evaluete");
        expect(neighbours.queued).toEqual([]);
      },
      (neighbours) => {
        neighbours.proposed = 'version: 1\n"evaluete\\e[31m\\u202e": []\n';
      },
    ));

  it("is marked on the default branch", () =>
    evaluating(
      { reason: push },
      async ({ neighbours }) => {
        expect(neighbours.checks()["snowcat"]).toMatchObject({
          conclusion: "failure",
          annotations: [{ path: ".github/snowcat.yml", start_line: 2 }],
        });
        expect(neighbours.queued).toEqual([]);
      },
      (neighbours) => {
        neighbours.policy = BROKEN;
      },
    ));

  it("fails an approved fork and a merge group too: merged, it would fail everybody", async () => {
    for (const change of [{ reason: forked, approved: HEAD }, { reason: group }])
      await evaluating(
        change,
        async ({ neighbours }) => {
          expect(neighbours.checks()["snowcat"]).toMatchObject({
            conclusion: "failure",
            annotations: [{ start_line: 2 }],
          });
          expect(neighbours.queued).toEqual([]);
        },
        (neighbours) => {
          neighbours.proposed = BROKEN;
        },
      );
  });

  it("of a fork is not even asked for before it is approved", () =>
    evaluating(
      { reason: forked },
      async ({ neighbours }) => {
        expect(neighbours.checks()["snowcat"]).toMatchObject({ title: "Needs approval" });
        expect(neighbours.calls).not.toContain("file");
      },
      (neighbours) => {
        neighbours.proposed = BROKEN;
      },
    ));

  it("has its lines of the head, not of the test merge", () =>
    evaluating(
      {},
      async ({ neighbours }) =>
        expect(neighbours.checks()["snowcat"]).toMatchObject({
          conclusion: "failure",
          annotations: [{ start_line: 1 }],
        }),
      (neighbours) => {
        neighbours.files = { [MERGE]: { text: BROKEN }, [HEAD]: { text: "evalute: []\n" } };
      },
    ));

  it("that only the base brings has no line of the head, and is told all the same", () =>
    evaluating(
      {},
      async ({ neighbours }) => {
        const check = neighbours.checks()["snowcat"];
        expect(check).toMatchObject({ conclusion: "failure", annotations: [] });
        expect(check?.summary).toContain("it comes with the base branch");
      },
      (neighbours) => {
        neighbours.policy = BROKEN;
        neighbours.files = { [MERGE]: { text: BROKEN }, [HEAD]: { text: "version: 1\n" } };
      },
    ));

  it("is whatever is no file", () =>
    evaluating(
      {},
      async ({ neighbours }) =>
        expect(neighbours.checks()["snowcat"]).toMatchObject({
          conclusion: "failure",
          annotations: [{ start_line: 1, message: "must be a file, and is a folder" }],
        }),
      (neighbours) => {
        neighbours.files = { [MERGE]: { text: null, problem: "must be a file, and is a folder" } };
        neighbours.files[HEAD] = neighbours.files[MERGE]!;
      },
    ));

  it("is mended by a change that it does not stop, in the pool of those whom nobody vouches for", () =>
    evaluating(
      {},
      async ({ neighbours, pass, frame, finish }) => {
        expect(neighbours.queued).toMatchObject([{ kind: "evaluate", pool: "untrusted" }]);
        await frame(1, evaluated);
        await finish(1);
        await pass();
        expect(neighbours.checks()["snowcat"]?.summary).toContain(
          "of the default branch is faulty, line 1: policy: Invalid input",
        );
      },
      (neighbours) => {
        neighbours.policy = "policy: nothing\n";
        neighbours.proposed = "version: 1\n";
      },
    ));
});

describe("a configuration that changes", () => {
  it("is told with what counts now and what after the merge", () =>
    evaluating(
      {},
      async ({ neighbours, run, pass, frame, finish }) => {
        expect(neighbours.queued[0]?.work).toMatchObject({
          selections: [{ attributes: ["checks"] }, { attributes: ["packages"] }],
          limits: { buildSeconds: 14_400 },
        });
        expect((await run.view())?.notices).toEqual([
          ".github/snowcat.yml is changed. In this run already: adds evaluate packages of ..",
          ".github/snowcat.yml, after the merge only: removes evaluate checks of .; adds limits.build_seconds.",
        ]);
        expect(neighbours.sections.get("notices")).toMatch(
          /^### Configuration\n\n- `\.github\/snowcat\.yml is changed.*`\n- `.*after the merge only: .*`\n$/u,
        );
        await frame(1, evaluated);
        await finish(1);
        await pass();
        expect(neighbours.checks()["snowcat"]?.summary).toContain("after the merge only");
      },
      (neighbours) => {
        neighbours.policy = "evaluate: [{ flake: ., attributes: [checks] }]\n";
        neighbours.proposed =
          "evaluate: [{ flake: ., attributes: [packages] }]\nlimits: { build_seconds: 5 }\n";
      },
    ));

  it("counts for nothing of an approved fork's, nor of a merge group's", async () => {
    for (const change of [{ reason: forked, approved: HEAD }, { reason: group }])
      await evaluating(
        change,
        async ({ neighbours, run }) => {
          expect(neighbours.queued[0]?.work).toMatchObject({
            selections: [{ attributes: ["checks"] }],
          });
          expect((await run.view())?.notices[0]).toContain("Nothing of it counts in this run");
        },
        (neighbours) => {
          neighbours.policy = "evaluate: [{ flake: ., attributes: [checks] }]\n";
          neighbours.proposed = "evaluate: [{ flake: ., attributes: [packages] }]\n";
        },
      );
  });

  it("disappears: a pull request goes by it until the merge, and the push that took it away says what is lost", async () => {
    const policy = "policy: { trusted: default-branch-and-merge-queue }\n";
    await evaluating(
      {},
      async ({ neighbours, run }) => {
        expect(neighbours.queued).toMatchObject([{ pool: "untrusted" }]);
        expect((await run.view())?.notices).toEqual([
          expect.stringContaining("is not there any more"),
          expect.stringContaining("after the merge only: removes policy.trusted"),
        ]);
      },
      (neighbours) => {
        neighbours.policy = policy;
      },
    );
    await evaluating(
      { reason: push },
      async ({ neighbours, run }) => {
        expect(neighbours.queued).toMatchObject([{ pool: "trusted" }]);
        expect((await run.view())?.notices).toEqual([
          ".github/snowcat.yml is gone: the defaults hold from here on, which removes policy.trusted.",
        ]);
        // Nothing waits for GitHub's word about it.
        expect(neighbours.calls.indexOf("enqueue")).toBeLessThan(neighbours.calls.indexOf("file"));
      },
      (neighbours) => {
        neighbours.files = { [BASE]: { text: policy } };
      },
    );
  });

  it("that never was there is no news, and takes an earlier run's words back", async () => {
    await evaluating({ reason: push }, async ({ neighbours, run }) => {
      expect((await run.view())?.notices).toEqual([]);
      expect(neighbours.calls).not.toContain("section");
    });
    await evaluating({}, async ({ neighbours }) =>
      expect([...neighbours.sections]).toContainEqual(["notices", null]),
    );
  });

  it.each<[string, Parameters<typeof evaluating>[0], (github: Neighbours) => void]>([
    [
      "faulty",
      {},
      (github) => {
        github.proposed = BROKEN;
      },
    ],
    [
      "not mergeable",
      {},
      (github) => {
        github.pull = CONFLICT;
      },
    ],
    ["a fork's that nobody approved", { reason: forked }, () => {}],
  ])("takes them back too where the newest head is %s", (_name, change, prepare) =>
    evaluating(
      change,
      async ({ neighbours }): Promise<void> => {
        expect(neighbours.queued).toEqual([]);
        expect([...neighbours.sections]).toEqual([["notices", null]]);
      },
      prepare,
    ),
  );

  it("is quoted: what it names is somebody's words", () =>
    evaluating(
      {},
      async ({ neighbours }) => {
        const section = neighbours.sections.get("notices") ?? "";
        expect(section).toContain("tests.x");
        // Code spans alone: nothing of a name is outside of one.
        for (const line of section.split("\n").filter((one) => one.startsWith("- ")))
          expect(line).toMatch(/^- (`+).*[^`]\1$/u);
      },
      (neighbours) => {
        neighbours.proposed =
          'tests: { x: { vm: a } }\nsets: { push: ["@admin `x` **b**", "</code><img>"] }\n';
      },
    ));
});

describe("what a set names", () => {
  const judged = (policy: string, reason?: RunReason) =>
    new Promise<{ checks: Record<string, { conclusion: unknown; text: unknown }> }>(
      (resolve, reject) => {
        evaluating(
          reason === undefined ? {} : { reason },
          async ({ neighbours, pass, frame, finish }) => {
            await frame(1, {
              kind: "attributes",
              attributes: [attribute("a", "aarch64-linux"), broken("b")],
            });
            await frame(1, evaluated);
            await finish(1);
            await pass();
            resolve({
              checks: Object.fromEntries(
                Object.entries(neighbours.checks()).map(([name, { conclusion, text }]) => [
                  name,
                  { conclusion, text },
                ]),
              ),
            });
          },
          (neighbours) => {
            neighbours.policy = policy;
            neighbours.proposed = policy;
            neighbours.files = { [MERGE]: { text: policy } };
          },
        ).catch(reject);
      },
    );

  it("and nothing is called is not covered; misspelt, it is not green for nothing", async () => {
    const { checks } = await judged("sets: { pull_request: [check.*] }\n");
    expect(checks["snowcat"]).toMatchObject({ conclusion: "action_required" });
    expect(checks["snowcat"]?.text).toContain("`check.*`");
    expect(checks["snowcat / evaluation"]).toMatchObject({ conclusion: "action_required" });
  });

  it("is of its own occasion: another's patterns are not missed", async () => {
    const policy =
      "sets: { merge_queue: [check.*], pull_request: [packages.*.a], push: [apps.*] }\n";
    expect((await judged(policy)).checks["snowcat"]).toMatchObject({ conclusion: "success" });
    expect((await judged(policy, group)).checks["snowcat"]).toMatchObject({
      conclusion: "action_required",
    });
    expect((await judged(policy, push)).checks["snowcat"]).toMatchObject({ conclusion: "success" });
  });

  it("is required where it cannot be evaluated, and not where another set names it", async () => {
    expect(
      (await judged("sets: { pull_request: [packages.*.b] }\n")).checks["snowcat"],
    ).toMatchObject({ conclusion: "failure" });
    expect(
      (await judged("sets: { pull_request: [packages.*.a] }\n")).checks["snowcat"],
    ).toMatchObject({ conclusion: "success" });
  });
});
