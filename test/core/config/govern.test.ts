import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeChange } from "../../../src/core/config/describe.ts";
import { disappeared, govern } from "../../../src/core/config/govern.ts";
import { readConfiguration } from "../../../src/core/config/read.ts";

const read = (text: string | null) => readConfiguration(text);
const asked = (base: string | null, own: string | null, adds: boolean) =>
  govern({ base: read(base), own: read(own), ownExists: own !== null, adds });
const notices = (...of: Parameters<typeof asked>) => {
  const governed = asked(...of);
  return governed.ok ? governed.notices : governed.errors.map(({ message }) => message);
};

const BASE = `evaluate: [{ flake: ., attributes: [checks] }]
sets: { push: ["checks.*"], pull_request: ["checks.*"] }
policy: { trusted: default-branch-and-merge-queue }
`;
const CHANGED = `evaluate: [{ flake: ., attributes: [packages] }]
sets: { push: ["*"], pull_request: ["packages.*"] }
tests: { smoke: { run: [true_] } }
limits: { build_seconds: 60 }
`;

describe("a pull request that changes the configuration", () => {
  test("is told what counts in its own run, and what after the merge only", () => {
    expect(notices(BASE, CHANGED, true)).toEqual([
      ".github/snowcat.yml is changed. In this run already: adds evaluate packages of ., sets.pull_request packages.*, tests.smoke.",
      ".github/snowcat.yml, after the merge only: removes evaluate checks of ., sets.push checks.*, sets.pull_request checks.*, policy.trusted; adds sets.push *, limits.build_seconds.",
    ]);
  });

  test("of anybody else counts for nothing, and is told so", () => {
    const [first, second] = notices(BASE, CHANGED, false);
    expect(first).toBe(".github/snowcat.yml is changed. Nothing of it counts in this run.");
    expect(second).toContain("after the merge only: removes evaluate checks of .");
    const governed = asked(BASE, CHANGED, false);
    expect(governed).toMatchObject({ ok: true, configuration: { sets: { push: ["checks.*"] } } });
  });

  test("only in how it is written is told nothing", () => {
    expect(notices(BASE, `# the same\n${BASE.replaceAll('"', "'")}version: 1\n`, true)).toEqual([]);
    expect(notices(null, "version: 1\n", true)).toEqual([]);
    expect(notices(null, "evaluate: [{ flake: . }]\nsets: { push: ['*'] }", true)).toEqual([]);
  });

  test("by removing it keeps what counts until the merge", () => {
    expect(notices(BASE, null, true)).toEqual([
      ".github/snowcat.yml is not there any more, so that the defaults hold after the merge. Nothing of it counts in this run.",
      ".github/snowcat.yml, after the merge only: removes evaluate checks of ., sets.push checks.*, sets.pull_request checks.*, policy.trusted; adds evaluate the usual outputs of ., sets.push *, sets.pull_request *.",
    ]);
  });

  test("says no more than a few names", () => {
    const many = Array.from({ length: 40 }, (_, n) => `  t${n}: { vm: a }`).join("\n");
    expect(notices(null, `tests:\n${many}\n`, true)).toEqual([
      expect.stringMatching(/tests\.t11; and 28 more\.$/u),
    ]);
  });
});

describe("a fault", () => {
  test("of the tree's own is the tree's, whoever brings it and whatever the default branch has", () => {
    for (const base of [null, BASE, "odd: 1\n"])
      for (const adds of [true, false])
        expect(asked(base, "version: 1\nodd: 1\n", adds)).toEqual({
          ok: false,
          errors: [expect.objectContaining({ line: 2, message: "odd: unknown key" })],
        });
  });

  test("of the default branch fails its own pushes", () => {
    expect(govern({ base: read("odd: 1\n"), own: null, ownExists: false, adds: false })).toEqual({
      ok: false,
      errors: [expect.objectContaining({ line: 1 })],
    });
  });

  test("of the default branch does not keep a change from mending it; what can be read of it counts", () => {
    const governed = asked(`odd: 1\n${BASE}`, BASE, true);
    expect(governed).toEqual({
      ok: true,
      configuration: expect.objectContaining({
        sets: { push: ["checks.*"], pull_request: ["checks.*"] },
        policy: { trusted: "default-branch-and-merge-queue" },
      }),
      notices: [
        ".github/snowcat.yml of the default branch is faulty, line 1: odd: unknown key. This run goes by what can be read of it.",
      ],
    });
    expect(asked("a: [", "version: 1\n", true)).toMatchObject({
      ok: true,
      configuration: { policy: { trusted: "default-branch-and-merge-queue" } },
    });
  });
});

test("a file that is gone from the default branch is told with what it said", () => {
  expect(disappeared(read(BASE))).toMatch(
    /is gone: the defaults hold from here on, which removes .*policy\.trusted; adds /u,
  );
  expect(disappeared(read("a: ["))).toBe(
    ".github/snowcat.yml is gone: the defaults hold from here on.",
  );
});

test("two texts differ by no name exactly when they mean the same", () => {
  const pattern = fc.constantFrom("*", "checks.*", "packages.*");
  const one = fc.record(
    {
      sets: fc.record({ push: fc.uniqueArray(pattern, { minLength: 1 }) }, { requiredKeys: [] }),
      limits: fc.record({ build_seconds: fc.constantFrom(1, 2) }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  );
  const means = ({ sets, limits }: { sets?: { push?: string[] }; limits?: object }) =>
    JSON.stringify([(sets?.push ?? ["*"]).toSorted(), limits ?? {}]);
  fc.assert(
    fc.property(one, one, (a, b) => {
      expect(describeChange(a, b) === "").toBe(means(a) === means(b));
    }),
  );
});
