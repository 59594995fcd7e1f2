import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../../simulation/platform/random.ts";
import { ASTRAY, Astray } from "../../../src/runner/isolation/builds/astray.ts";

/** As the guard makes them: no further pass where nothing was outside in all of them. */
const SORTS = 3;

test("a build that was in its group once in five looks is not ended, whatever else goes on", () => {
  const looks = fc.array(
    fc.array(fc.uniqueArray(fc.nat(8), { maxLength: 9 }), { minLength: 1, maxLength: SORTS }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(looks, (all) => {
      const astray = new Astray();
      /** Looks in a row in which the build was outside at every pass, as the rule has it. */
      const rows = new Map<string, number>();
      for (const look of all) {
        const passes = look.map((pass) => new Set(pass.map(String)));
        for (let build = 0; build <= 8; build += 1) {
          const key = String(build);
          const outside = passes.every((pass) => pass.has(key));
          rows.set(key, outside ? (rows.get(key) ?? 0) + 1 : 0);
        }
        const due = [...rows].flatMap(([key, looksInARow]) => (looksInARow >= ASTRAY ? [key] : []));
        expect(astray.look(passes).toSorted()).toEqual(due.toSorted());
      }
    }),
  );
});

/**
 * A machine under load: builders begin all the time, and until one is sorted what it forks is outside as well. Between
 * two passes a process that is still outside forks once more with the likelihood `forks`; the forker always does.
 */
function load(seed: number, { begin, forks }: { begin: number; forks: number }, looks: number) {
  const random = new Random(seed);
  const astray = new Astray();
  const outside = new Set<string>();
  const ended = new Set<string>();
  let made = 0;
  let seen = 0;
  for (let look = 0; look < looks; look += 1) {
    const passes: Set<string>[] = [];
    for (let pass = 0; pass < SORTS; pass += 1) {
      for (let n = 0; n < begin; n += 1) outside.add(`innocent ${(made += 1)}`);
      outside.add("forker");
      passes.push(new Set(outside));
      seen += outside.size;
      // All that was listed is sorted; what forked meanwhile is outside still.
      for (const build of outside) if (!random.chance(forks)) outside.delete(build);
    }
    for (const build of astray.look(passes)) ended.add(build);
  }
  return { ended: [...ended], seen };
}

test("under load no innocent build is ended, and what forks away is", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const { ended, seen } = load(seed, { begin: 20, forks: 0.3 }, 200);
    expect(seen).toBeGreaterThan(10_000);
    expect(ended, `seed ${seed}`).toEqual(["forker"]);
  }
});

test("it is ended at the fifth look, and may begin anew", () => {
  const astray = new Astray();
  const away = [new Set(["a"]), new Set(["a", "b"]), new Set(["a"])];
  expect([1, 2, 3, 4, 5].map(() => astray.look(away))).toEqual([[], [], [], [], ["a"]]);
  expect(astray.look([new Set()])).toEqual([]);
  expect(astray.look(away)).toEqual([]);
});
