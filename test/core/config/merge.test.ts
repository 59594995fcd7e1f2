import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expected, inSet, matches, reaches } from "../../../src/core/config/match.ts";
import { merge } from "../../../src/core/config/merge.ts";
import {
  type Class,
  resolve as resolveFor,
  type Resolved,
} from "../../../src/core/config/resolve.ts";
import { Configuration, type Evaluate } from "../../../src/core/config/schema.ts";
import { digestSelection } from "../../../src/core/config/digest.ts";

const resolve = (from: Configuration, classes: Class[]) => resolveFor(from, classes, "trusted");

const attributes = fc.subarray(
  ["packages", "checks", "apps", "checks.x86_64-linux.a", "hydraJobs"],
  { minLength: 1 },
);
const systems = fc.subarray(["x86_64-linux", "aarch64-linux", "aarch64-darwin"], { minLength: 1 });
const entry: fc.Arbitrary<Evaluate> = fc.oneof(
  fc.record(
    {
      flake: fc.constantFrom(".", "sub"),
      attributes,
      systems,
      revision: fc.boolean(),
      import_from_derivation: fc.boolean(),
    },
    { requiredKeys: ["flake"] },
  ),
  fc.record(
    {
      file: fc.constantFrom("default.nix", "x.nix"),
      attributes,
      args: fc.dictionary(fc.constantFrom("a", "b"), fc.constantFrom("1", "2")),
      import_from_derivation: fc.boolean(),
    },
    { requiredKeys: ["file", "attributes"] },
  ),
);
const patterns = fc.subarray(["*", "checks.*", "packages.*.a", "apps.*"], { minLength: 1 });
const configuration: fc.Arbitrary<Configuration> = fc.record(
  {
    evaluate: fc.array(entry, { minLength: 1, maxLength: 40 }),
    sets: fc.record(
      { push: patterns, pull_request: patterns, merge_queue: patterns },
      { requiredKeys: [] },
    ),
    limits: fc.record({ build_seconds: fc.integer({ min: 1, max: 100 }) }, { requiredKeys: [] }),
    policy: fc.record(
      {
        trusted: fc.constantFrom("repository" as const, "default-branch-and-merge-queue" as const),
        writers: fc.subarray(["x", "y"]),
      },
      { requiredKeys: [] },
    ),
    tests: fc.dictionary(
      fc.constantFrom("boot", "smoke"),
      fc.constantFrom({ vm: "a" }, { run: ["x"] }),
    ),
  },
  { requiredKeys: [] },
);
const classes = fc.array(fc.record({ systems }), { maxLength: 3 });

/** Everything a resolved configuration requires, as words: entry, attribute, system. */
function demands(resolved: Resolved): string[] {
  return resolved.selections.flatMap((selection, index) =>
    selection.kind === "file"
      ? selection.attributes.map((a) => JSON.stringify([selection.file, selection.args, a]))
      : selection.attributes.flatMap((a) =>
          (resolved.required[index] ?? ["every"]).map((s) =>
            JSON.stringify([selection.directory, a, s]),
          ),
        ),
  );
}

describe("what a pull request may add to its own run", () => {
  test("nothing that the default branch requires is removed", () => {
    fc.assert(
      fc.property(configuration, configuration, classes, (base, proposed, c) => {
        const before = resolve(base, c);
        const after = resolve(merge(base, proposed), c);
        const have = new Set(demands(after));
        for (const demand of demands(before)) expect(have).toContain(demand);
        for (const path of [
          ["packages", "x", "a"],
          ["checks", "x", "b"],
          ["apps", "x", "c"],
          ["d"],
        ]) {
          if (inSet(before.sets.pull_request, path))
            expect(inSet(after.sets.pull_request, path)).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("nothing else of what is proposed counts", () => {
    fc.assert(
      fc.property(configuration, configuration, (base, proposed) => {
        const merged = merge(base, proposed);
        expect(merged.policy).toEqual(base.policy);
        expect(merged.limits).toEqual(base.limits);
        expect(merged.sets?.push).toEqual(base.sets?.push);
        expect(merged.sets?.merge_queue).toEqual(base.sets?.merge_queue);
        for (const [name, declared] of Object.entries(base.tests ?? {}))
          expect(merged.tests?.[name]).toEqual(declared);
      }),
      { numRuns: 500 },
    );
  });

  test("evaluation builds nothing that the default branch does not let it build, and never for a fork", () => {
    const allows = (from: Evaluate[] | undefined, of: Evaluate) =>
      (from ?? []).some(
        (known) =>
          known.import_from_derivation === true &&
          ("flake" in known ? known.flake : known.file) === ("flake" in of ? of.flake : of.file),
      );
    fc.assert(
      fc.property(configuration, configuration, classes, (base, proposed, c) => {
        const merged = merge(base, proposed);
        for (const one of merged.evaluate ?? [])
          if (one.import_from_derivation === true) expect(allows(base.evaluate, one)).toBe(true);
        for (const selection of resolveFor(merged, c, "untrusted").selections)
          expect(selection.importFromDerivation).toBeUndefined();
        expect(resolve(base, c).selections.map((one) => one.importFromDerivation === true)).toEqual(
          (base.evaluate ?? [{ flake: "." }]).map((one) => one.import_from_derivation === true),
        );
      }),
      { numRuns: 500 },
    );
  });

  test("an added attribute is there, once", () => {
    const merged = merge(
      { evaluate: [{ flake: ".", attributes: ["checks"] }] },
      { evaluate: [{ flake: ".", attributes: ["checks", "packages"] }] },
    );
    expect(merged.evaluate).toEqual([
      { flake: ".", attributes: ["checks"] },
      { flake: ".", attributes: ["packages"] },
    ]);
  });

  test("the merged configuration is still a configuration", () => {
    fc.assert(
      fc.property(configuration, configuration, (base, proposed) => {
        expect(Configuration.safeParse(merge(base, proposed)).error).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});

describe("resolving", () => {
  test("without a file: the root's flake, its usual outputs, the systems of the runners", () => {
    expect(
      resolve({}, [{ systems: ["x86_64-linux"] }, { systems: ["x86_64-linux", "aarch64-linux"] }]),
    ).toMatchObject({
      selections: [
        {
          kind: "flake",
          directory: ".",
          attributes: [
            "packages",
            "checks",
            "devShells",
            "apps",
            "formatter",
            "nixosConfigurations",
            "darwinConfigurations",
            "hydraJobs",
            "defaultPackage",
            "defaultApp",
            "devShell",
          ],
          systems: null,
        },
      ],
      required: [["aarch64-linux", "x86_64-linux"]],
      sets: { push: ["*"], pull_request: ["*"], merge_group: ["*"] },
      policy: { trusted: "repository", writers: [], commands: {} },
    });
  });

  test("configured systems are required, whatever the runners have", () => {
    expect(
      resolve({ evaluate: [{ flake: ".", systems: ["aarch64-linux"] }] }, [
        { systems: ["x86_64-linux"] },
      ]).required,
    ).toEqual([["aarch64-linux"]]);
  });

  test("what is required narrows nothing that is evaluated", () => {
    const { selections, required } = resolve(
      { evaluate: [{ flake: ".", systems: ["aarch64-linux"] }] },
      [{ systems: ["x86_64-linux"] }],
    );
    expect(selections).toMatchObject([{ systems: null }]);
    expect(required).toEqual([["aarch64-linux"]]);
  });

  test("where nobody names a system, every one is required: nothing is green for want of a runner", () => {
    const file = { file: "default.nix", attributes: ["a"] };
    expect(resolve({}, []).required).toEqual([null]);
    expect(resolve({ evaluate: [{ flake: "." }, file] }, [{ systems: [] }]).required).toEqual([
      null,
      null,
    ]);
    expect(resolve({ evaluate: [file] }, [{ systems: ["x86_64-linux"] }]).required).toEqual([null]);
  });

  test.each([
    ["*", ["packages", "x86_64-linux", "a.b"], true],
    ["checks.*", ["checks", "x86_64-linux", "a"], true],
    ["checks.*", ["checks"], false],
    ["checks.*", ["packages", "x86_64-linux", "a"], false],
    ["packages.*.a", ["packages", "x86_64-linux", "a"], true],
    ["packages.*.a", ["packages", "x86_64-linux", "a", "b"], false],
    ['packages.*."a.b"', ["packages", "x86_64-linux", "a.b"], true],
    ["push", ["push"], true],
  ])("%s and %j: %s", (pattern, path, expected) => {
    expect(matches(pattern, path)).toBe(expected);
  });

  test.each([
    ["checks.*", ["checks"], true],
    ["checks.*", ["packages"], false],
    ["packages.*.a", ["packages", "x86_64-linux"], true],
    ["packages.x86_64-linux.a", ["packages", "aarch64-linux"], false],
    ["packages.*.a", ["packages", "x86_64-linux", "a", "b"], false],
    ["*", [], true],
    ["*", ["a", "b"], true],
  ])("an error of what %s may name at %j: %s", (pattern, path, within) => {
    expect(reaches([pattern], path)).toBe(within);
  });

  test("whatever a pattern names, it reaches", () => {
    const part = fc.constantFrom("a", "b", "*");
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1 }),
        fc.array(fc.constantFrom("a", "b")),
        (p, path) => {
          const pattern = p.join(".");
          if (!matches(pattern, path)) return;
          for (let length = 0; length <= path.length; length += 1)
            expect(reaches([pattern], path.slice(0, length))).toBe(true);
        },
      ),
    );
  });

  test("a pattern must name something, but for all, and all of what is looked at anyway", () => {
    const set = ["*", "*.*", "checks.*", "checks.*.*", "check.*", "packages.*.a", "checks", "push"];
    const looked = [{ attributes: ["checks", "packages"] }, { attributes: ["push"] }];
    expect(expected([...set, "check.*"], looked)).toEqual([
      "check.*",
      "packages.*.a",
      "checks",
      "push",
    ]);
  });

  test("the digest tells selections apart, and not the order of keys or limits", async () => {
    const hash = async (text: string) => text;
    const one = await digestSelection(resolve({}, []), "push", hash);
    expect(await digestSelection(resolve({ limits: { build_seconds: 5 } }, []), "push", hash)).toBe(
      one,
    );
    expect(
      await digestSelection(resolve({}, [{ systems: ["x86_64-linux"] }]), "push", hash),
    ).not.toBe(one);
    const asked = (systems: string[]) =>
      digestSelection(resolve({ evaluate: [{ flake: ".", systems }] }, []), "push", hash);
    expect(await asked(["a-linux"])).not.toBe(await asked(["a-linux", "b-linux"]));
    expect(await asked(["b-linux", "a-linux"])).toBe(await asked(["a-linux", "b-linux"]));
    expect(
      await digestSelection(resolve({ sets: { push: ["checks.*"] } }, []), "push", hash),
    ).not.toBe(one);
    expect(
      await digestSelection(resolve({ sets: { push: ["checks.*"] } }, []), "merge_group", hash),
    ).toBe(one);
  });
});
