import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchTargets, type Target } from "../../../src/core/command/targets.ts";

const machine = (name: string, tags: string[] = [], roles: string[] = []): Target => ({
  name,
  tags,
  roles,
});
const FLEET = [
  machine("web1", ["web", "canary"], ["borgbackup/client"]),
  machine("web2", ["web"], ["borgbackup/client"]),
  machine("db.eu", ["db", "canary"], ["borgbackup/server"]),
  machine("tag:web", ["odd"]),
];
const names = (...patterns: string[]) => {
  const { targets, unmatched } = matchTargets(patterns, FLEET);
  return { is: targets.map(({ name }) => name), not: unmatched };
};

describe("targets", () => {
  test.each<[string[], string[], string[]]>([
    [["web1"], ["web1"], []],
    [["web2", "web1", "web1"], ["web1", "web2"], []],
    [["web*"], ["web1", "web2"], []],
    [["web?"], ["web1", "web2"], []],
    [["*"], ["web1", "web2", "db.eu", "tag:web"], []],
    [["db.e?"], ["db.eu"], []],
    [["dbxeu"], [], ["dbxeu"]],
    [["tag:web"], ["web1", "web2"], []],
    [["tag:web,canary"], ["web1"], []],
    [["tag:canary", "tag:web"], ["web1", "web2", "db.eu"], []],
    [["tag:web,"], [], ["tag:web,"]],
    [["tag:"], [], ["tag:"]],
    [["tag:w*"], [], ["tag:w*"]],
    [["role:borgbackup/client"], ["web1", "web2"], []],
    [["role:borgbackup"], [], ["role:borgbackup"]],
    [["web1", "web9", "Web2"], ["web1"], ["web9", "Web2"]],
    [[""], [], [""]],
    [[], [], []],
  ])("%j", (patterns, is, not) => {
    expect(names(...patterns)).toEqual({ is, not });
  });

  const word = fc.string({ unit: fc.constantFrom(...Array.from("ab*?.,:-")), maxLength: 6 });
  const target = fc.record({
    name: word,
    tags: fc.array(word, { maxLength: 3 }),
    roles: fc.array(word, { maxLength: 2 }),
  });
  const pattern = fc.oneof(
    word,
    word.map((text) => `tag:${text}`),
    word.map((text) => `role:${text}`),
    fc.string(),
  );

  test("only what was enumerated comes out, in its order; a pattern either fits something or is told", () => {
    fc.assert(
      fc.property(fc.array(pattern), fc.array(target), (patterns, enumerated) => {
        const { targets, unmatched } = matchTargets(patterns, enumerated);
        const chosen = new Set(targets);
        expect(targets).toEqual(enumerated.filter((one) => chosen.has(one)));
        expect(unmatched.every((one) => patterns.includes(one))).toBe(true);
        expect(unmatched.length).toBeLessThanOrEqual(patterns.length);
        if (targets.length === 0) expect(unmatched).toEqual(patterns);
        // More patterns never mean fewer targets.
        expect(
          matchTargets(patterns.slice(1), enumerated).targets.every((one) => chosen.has(one)),
        ).toBe(true);
      }),
    );
  });

  test("a glob fits as the same regular expression does", () => {
    const text = fc.string({ unit: fc.constantFrom(...Array.from("ab")), maxLength: 8 });
    const glob = fc.string({ unit: fc.constantFrom(...Array.from("ab*?")), maxLength: 6 });
    fc.assert(
      fc.property(glob, text, (given, name) => {
        const expression = new RegExp(`^${given.replaceAll("*", ".*").replaceAll("?", ".")}$`, "u");
        expect(matchTargets([given], [machine(name)]).targets.length === 1).toBe(
          expression.test(name),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test("stars without end take no time without end", () => {
    const began = performance.now();
    expect(matchTargets([`${"*a".repeat(200)}b`], [machine("a".repeat(2_000))]).targets).toEqual(
      [],
    );
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
