import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BATCH, blocked, components, need, peel } from "../../../src/runner/nix/build/plan.ts";
import type { Worth } from "../../../src/runner/nix/build/queue.ts";
import { Queue } from "../../../src/runner/nix/build/queue.ts";
import type { Graph, GraphNode } from "../../../src/runner/nix/store/derivations.ts";

/** A DAG: node i may use nodes below i. */
const dags = fc
  .integer({ min: 1, max: 60 })
  .chain((size) =>
    fc.array(fc.uniqueArray(fc.nat(), { maxLength: 4 }), { minLength: size, maxLength: size }),
  )
  .map((picks) =>
    picks.map((pick, index) => (index === 0 ? [] : [...new Set(pick.map((n) => n % index))])),
  );

function graphOf(inputs: readonly (readonly number[])[]): Graph {
  return new Map(
    inputs.map((uses, index): [string, GraphNode] => [
      `d${index}`,
      {
        drv: `d${index}`,
        name: `d${index}`,
        system: "x",
        features: [],
        fixedOutput: false,
        outputs: new Map([["out", `o${index}`]]),
        inputs: new Map(uses.map((use) => [`d${use}`, ["out"]])),
      },
    ]),
  );
}

describe("need", () => {
  test("stops at what is valid, and holds everything else below a goal", () => {
    fc.assert(
      fc.property(dags, fc.func(fc.boolean()), (inputs, isValid) => {
        const graph = graphOf(inputs);
        const { below } = need([`d${inputs.length - 1}`], graph, (path) => isValid(path));
        for (const [drv, needed] of below) {
          expect(isValid(`o${drv.slice(1)}`)).toBe(false);
          expect(needed).toEqual(
            inputs[Number(drv.slice(1))]!.filter((use) => !isValid(`o${use}`)).map(
              (use) => `d${use}`,
            ),
          );
          for (const input of needed) expect(below.has(input)).toBe(true);
        }
      }),
    );
  });
});

describe("components", () => {
  test("share nothing, and hold every goal once", () => {
    fc.assert(
      fc.property(dags, (inputs) => {
        const goals = inputs.map((_, index) => `d${index}`).filter((_, index) => index % 2 === 0);
        const found = components(
          goals,
          need(goals, graphOf(inputs), () => false),
        );
        const members = found.flatMap((component) => component.members);
        expect(new Set(members).size).toBe(members.length);
        expect(found.flatMap((component) => component.goals).toSorted()).toEqual(goals.toSorted());
      }),
    );
  });
});

describe("peel", () => {
  test("takes the shared failing dependency first, and alone", () => {
    const star = graphOf([[], ...Array.from({ length: 100 }, () => [0])]);
    const goals = Array.from({ length: 100 }, (_, index) => `d${index + 1}`);
    const needed = need(goals, star, () => false);
    const [component] = components(goals, needed);
    expect(peel(component!, needed)).toEqual(["d0"]);
  });

  test("takes a long chain by the batch", () => {
    const chain = graphOf(
      Array.from({ length: 120 }, (_, index) => (index === 0 ? [] : [index - 1])),
    );
    const goals = [...chain.keys()];
    const needed = need(goals, chain, () => false);
    const [component] = components(goals, needed);
    expect(peel(component!, needed)).toEqual(goals.slice(0, BATCH));
  });
});

test("blocked names a failed derivation below, and only where there is one", () => {
  fc.assert(
    fc.property(dags, fc.array(fc.nat(), { maxLength: 5 }), (inputs, picks) => {
      const failed = new Set(picks.map((pick) => `d${pick % inputs.length}`));
      const goals = inputs.map((_, index) => `d${index}`);
      const causes = blocked(
        need(goals, graphOf(inputs), () => false),
        failed,
      );
      const reaches = (from: number): Set<number> =>
        new Set(inputs[from]!.flatMap((use) => [use, ...reaches(use)]));
      for (const [index] of inputs.entries()) {
        const bad = [...reaches(index)]
          .filter((below) => failed.has(`d${below}`))
          .map((below) => `d${below}`);
        if (bad.length === 0) expect(causes.has(`d${index}`)).toBe(false);
        else expect(bad).toContain(causes.get(`d${index}`));
      }
    }),
  );
});

describe("what one process is given", () => {
  const alone = (count: number) =>
    new Map(Array.from({ length: count }, (_, n) => [`d${n}`, [] as string[]]));
  const next = (
    queue: Queue,
    below: ReadonlyMap<string, readonly string[]>,
    worth: Worth = { least: 1, most: 1_000 },
  ) => queue.next({ below }, new Set(), false, worth, () => true)?.drvs ?? [];

  test("is as much as is worth one, and no more than may wait behind one that takes long", () => {
    const below = alone(1_000);
    const queue = new Queue(2);
    queue.add([...below.keys()], { below });
    expect(next(queue, below)).toHaveLength(BATCH);
    expect(next(queue, below, { least: 1, most: 8 })).toHaveLength(8);
    expect(next(queue, below, { least: 1, most: 1 })).toHaveLength(1);
    const few = new Queue(4);
    few.add(["d0", "d1", "d2", "d3"], { below });
    expect(next(few, below, { least: 3, most: 12 })).toHaveLength(3);
  });

  test("is the largest component first, and leaves the other slot something", () => {
    const below = new Map([
      ...alone(6),
      ["top", ["middle"]],
      ["middle", ["bottom"]],
      ["bottom", []],
    ]);
    const queue = new Queue(2);
    queue.add([0, 1, 2, 3, 4, 5].map((n) => `d${n}`).concat("top"), { below });
    const first = next(queue, below);
    expect([first[0], first.length]).toEqual(["top", 3]);
  });
});
