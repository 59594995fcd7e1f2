import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attributeName } from "../../../src/protocol/attribute.ts";
import { nixString } from "../../../src/runner/nix/evaluate/expression.ts";
import { invalidPaths } from "../../../src/runner/nix/store/validity.ts";
import { showDerivations } from "../../../src/runner/nix/store/derivations.ts";
import { describeIsolated } from "../isolation/support.ts";
import type { NixForTest } from "./support.ts";
import { nixForTest } from "./support.ts";

/** A flake as a model: nodes use nodes below them; some fail, some throw, some are not attributes themselves. */
interface Node {
  readonly uses: readonly number[];
  readonly fate: "builds" | "fails" | "throws";
  readonly listed: boolean;
}

const node = fc.record({
  uses: fc.uniqueArray(fc.nat(), { maxLength: 3 }),
  fate: fc.constantFrom(
    "builds" as const,
    "builds" as const,
    "builds" as const,
    "fails" as const,
    "throws" as const,
  ),
  listed: fc.boolean(),
});
const names = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/u),
  fc.constantFrom("a.b", 'q"q', "..", "${x}", "-rf", "ż❄", "a/b"),
);
const models = fc
  .array(fc.record({ node, name: names }), { minLength: 1, maxLength: 40 })
  .map((list) =>
    list.map(({ node: { uses, ...rest }, name }, index) => ({
      ...rest,
      name: `${name}${index}`,
      uses: index === 0 ? [] : [...new Set(uses.map((use) => use % index))],
    })),
  );
type Model = readonly (Node & { name: string })[];

function flakeOf(model: Model, salt: number): string {
  const nodes = model.map(({ uses, fate }, index) => {
    const script =
      fate === "fails"
        ? `echo broken${index}; exit ${(index % 100) + 1}`
        : `echo ok${index} > $out`;
    return `n${index} = ${fate === "throws" ? `throw "thrown${index}"` : `derivation { name = "m${salt}-${index}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" ${nixString(script)} ]; uses = [ ${uses.map((use) => `n${use}`).join(" ")} ]; }`};`;
  });
  const listed = model.flatMap(({ listed: is, name }, index) =>
    is ? [`${nixString(name)} = n${index};`] : [],
  );
  return `{ outputs = { self }: let ${nodes.join("\n")} in { packages.x86_64-linux = { ${listed.join("\n")} }; }; }`;
}

/** What must come out, from the model alone. */
function truth(model: Model, index: number): string {
  const below = (at: number): number[] => [
    ...new Set(model[at]!.uses.flatMap((use) => [use, ...below(use)])),
  ];
  if ([index, ...below(index)].some((at) => model[at]!.fate === "throws"))
    return "evaluation-error";
  if (below(index).some((at) => model[at]!.fate === "fails")) return "dependency-failed";
  return model[index]!.fate === "fails" ? "failed" : "succeeded";
}

describeIsolated("verdicts against a model", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(52_400);
  });
  afterAll(async () => {
    await nix?.close();
  });

  test(
    "random flakes get the verdicts that their shape demands, and the store agrees",
    { timeout: 120_000 },
    async () => {
      let salt = 0;
      await fc.assert(
        fc.asyncProperty(models, async (model) => {
          salt += 1;
          const { byName } = await nix.check({ "flake.nix": flakeOf(model, salt) });
          const listed = [...model.entries()].filter(([, { listed: is }]) => is);
          expect(
            Object.fromEntries([...byName].map(([name, { verdict }]) => [name, verdict.kind])),
          ).toEqual(
            Object.fromEntries(
              listed.map(([index, { name }]) => [
                attributeName(["packages", "x86_64-linux", name]),
                truth(model, index),
              ]),
            ),
          );
          const rows = [...byName.values()].filter((row) => row.drv !== null);
          const graph = await showDerivations(
            nix.workspace,
            nix.facts.version,
            [...new Set(rows.map((row) => row.drv!))],
            false,
            new AbortController().signal,
          );
          const outputs = new Map(
            rows.map((row) => [row, graph.get(row.drv!)!.outputs.get("out")!]),
          );
          const invalid = await invalidPaths(
            nix.workspace,
            outputs.values(),
            new AbortController().signal,
          );
          for (const [row, output] of outputs)
            expect(invalid.has(output)).toBe(row.verdict.kind !== "succeeded");
          for (const { verdict } of rows)
            if (verdict.kind === "dependency-failed")
              expect(verdict.logTail).toMatch(/^broken\d+$/u);
        }),
        { numRuns: 12, endOnFailure: true },
      );
    },
  );
});
