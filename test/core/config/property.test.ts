import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { readConfiguration } from "../../../src/core/config/read.ts";
import type { Window } from "../../../src/core/config/machines.ts";
import { Configuration } from "../../../src/core/config/schema.ts";

/** Words of the format and of YAML, from which likely and unlikely files are put together. */
const WORDS = [
  Object.keys(Configuration.shape),
  ["flake", "file", "attributes", "systems", "args", "run", "vm", "kind", "steps", "trusted"],
  ["- ", "? ", ": ", "[", "]", "{", "}", ",", "&a ", "*a", "!!set ", "!x ", "| ", "> ", "<<: "],
  ["\n", "\n  ", "\n    ", "\r\n", "\t", " ", "'", '"', "#", "%YAML 1.1\n", "---\n", "...\n"],
  ["1", ".nan", "0x7fffffff", "~", "null", "true", "x86_64-linux", ".", "*", "\u0000", "\u202e"],
  ["__proto__", "constructor", "\ud800", "💣", "\u2028", "1e999", "2020-01-01"],
].flat();
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 400 }),
  fc.string({ unit: "grapheme", maxLength: 400 }),
  fc.array(fc.constantFrom(...WORDS), { maxLength: 60 }).map((words) => words.join("")),
  fc.json({ maxDepth: 6 }),
);

const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,8}$/u);
const phrase = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
    fc.constantFrom("yes", "~", "1", "- a", "a: b", "#", "!!x", "&a", "*a", "|", "\n", " ", "%"),
  )
  .filter((one) => one.isWellFormed());
const path = word.map((one) => `packages.${one}`);
const command = fc.array(phrase, { minLength: 1, maxLength: 4 });
const record = <T>(value: fc.Arbitrary<T>) =>
  fc.dictionary(word, value, { maxKeys: 3, noNullPrototype: true });
const maybe = { requiredKeys: [] } satisfies { requiredKeys: [] };
const patterns = fc.array(path, { minLength: 1, maxLength: 3 });
const machine = fc.record(
  {
    method: fc.constantFrom("plain" as const, "krops" as const),
    tags: fc.array(phrase, { maxLength: 3 }),
    domain: fc.constant("example.org"),
    variables: fc.dictionary(fc.constantFrom("a", "b_1"), phrase, { noNullPrototype: true }),
    health: fc.array(
      fc.oneof(
        fc.constant({ http: "https://app.${domain}/", grace_seconds: 5 }),
        fc.constant({ tcp: "app.${domain}:443" }),
        fc.record({ command }),
      ),
      { maxLength: 2 },
    ),
    backup: command,
    explicit: fc.boolean(),
    hold: phrase,
    warn: fc.array(fc.record({ when: phrase, says: phrase }), { maxLength: 2 }),
  },
  maybe,
);
/** Every key of the format; a property below holds it to that. */
const configuration: fc.Arbitrary<Configuration> = fc.record(
  {
    version: fc.constant(1 as const),
    evaluate: fc.array(
      fc.oneof(
        fc.record(
          {
            flake: fc.constantFrom(".", "sub/dir"),
            attributes: patterns,
            systems: fc.constant<string[]>(["x86_64-linux"]),
            revision: fc.boolean(),
            import_from_derivation: fc.boolean(),
            formatter_check: fc.boolean(),
          },
          { requiredKeys: ["flake"] },
        ),
        fc.record(
          {
            file: fc.constant("default.nix"),
            attributes: patterns,
            args: fc.dictionary(fc.constantFrom("a", "b'"), phrase, { noNullPrototype: true }),
          },
          { requiredKeys: ["file", "attributes"] },
        ),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    sets: fc.record({ push: patterns, pull_request: patterns, merge_queue: patterns }, maybe),
    limits: fc.record({ build_seconds: fc.integer({ min: 1, max: 604_800 }) }, maybe),
    inputs: fc.record({ private: fc.constant(["octo/private"]) }, maybe),
    tests: record(
      fc.oneof(
        fc.record({ vm: phrase }),
        fc.record({
          kind: fc.record({ images: fc.array(phrase, { minLength: 1, maxLength: 2 }) }),
          steps: fc.array(command, { minLength: 1, maxLength: 2 }),
        }),
        fc.record({ run: command }),
      ),
    ),
    push: record(fc.record({ run: command })),
    machines: fc
      .tuple(
        fc.dictionary(
          word.filter((one) => !["discover", "defaults", "observe_minutes"].includes(one)),
          machine,
          { maxKeys: 3, noNullPrototype: true },
        ),
        fc.boolean(),
        fc.option(machine, { nil: undefined }),
      )
      // The type of a catch-all says that every key is a machine.
      .map(
        ([machines, discover, defaults]) =>
          ({
            ...(discover ? { discover: ["clan"], observe_minutes: 30 } : {}),
            ...(defaults === undefined ? {} : { defaults }),
            ...machines,
          }) as Configuration["machines"],
      ),
    rollouts: record(
      fc.record(
        {
          on: fc.constantFrom("manual" as const, "push" as const),
          stages: fc.array(
            fc.oneof(
              phrase,
              fc.record(
                {
                  targets: fc.array(phrase, { minLength: 1, maxLength: 2 }),
                  parallel: fc.integer({ min: 1, max: 64 }),
                  max_failures: fc.nat(10),
                  pause_seconds: fc.nat(100),
                },
                { requiredKeys: ["targets"] },
              ),
            ),
            { minLength: 1, maxLength: 3 },
          ),
          on_failure: fc.constantFrom("stop" as const, "take-back" as const),
        },
        maybe,
      ),
    ),
    bumps: record(
      fc.record(
        { recipe: word, source: fc.constant({ github: "a/b" }) },
        { requiredKeys: ["recipe"] },
      ),
    ),
    policy: fc.record(
      {
        trusted: fc.constantFrom("repository" as const, "default-branch-and-merge-queue" as const),
        writers: fc.array(word, { maxLength: 2 }),
        deploy: fc.record(
          {
            permission: fc.constantFrom("write" as const, "admin" as const),
            approvals: fc.nat(16),
            checks: fc.constantFrom("required" as const, "all" as const),
            required_checks: fc.constant<{ name: string; app: number }[]>([
              { name: "lint", app: 15_368 },
            ]),
            windows: fc.constant<Window[]>([
              { days: ["mon" as const], from: "09:00", zone: "Europe/Berlin" },
            ]),
            freeze: fc.oneof(
              phrase,
              fc.constant<{ from: string; until: string }[]>([
                { from: "2026-12-20", until: "2027-01-02" },
              ]),
            ),
            confirm: fc.boolean(),
          },
          maybe,
        ),
      },
      maybe,
    ),
  },
  maybe,
);

describe("whatever the file holds", () => {
  test("it is read, or refused on lines that it has; nothing is thrown, and a rest is a configuration", () => {
    fc.assert(
      fc.property(text, (one) => {
        const read = readConfiguration(one);
        const lines = one.trimEnd().split("\n").length;
        if (read.ok) expect(Configuration.safeParse(read.configuration).success).toBe(true);
        else {
          expect(read.errors.length).toBeGreaterThan(0);
          for (const { line, column, message } of read.errors) {
            expect(line).toBeGreaterThanOrEqual(1);
            expect(line).toBeLessThanOrEqual(lines);
            expect(column).toBeGreaterThanOrEqual(1);
            expect(message).not.toBe("");
          }
          expect(Configuration.safeParse(read.rest).success).toBe(true);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test("what is read is the same when it is printed and read again", () => {
    let whole = 0;
    fc.assert(
      fc.property(text, (one) => {
        const read = readConfiguration(one);
        if (!read.ok) return;
        whole += 1;
        expect(readConfiguration(stringify(read.configuration))).toEqual(read);
      }),
      { numRuns: 1_000 },
    );
    expect(whole).toBeGreaterThan(0);
  });
});

describe("every configuration", () => {
  test.each([
    ["YAML", (one: Configuration) => stringify(one)],
    ["YAML in one line", (one: Configuration) => stringify(one, { collectionStyle: "flow" })],
    ["JSON", (one: Configuration) => JSON.stringify(one, null, 2)],
  ])("printed as %s is read as it was", (_name, print) => {
    const keys = new Set<string>();
    fc.assert(
      fc.property(configuration, (one) => {
        for (const key of Object.keys(one)) keys.add(key);
        expect(readConfiguration(print(one))).toEqual({ ok: true, configuration: one });
      }),
      { numRuns: 300 },
    );
    expect([...keys].toSorted()).toEqual(Object.keys(Configuration.shape).toSorted());
  });

  test("with one key too many is refused on that key's line", () => {
    fc.assert(
      fc.property(configuration, word, (one, key) => {
        if (Object.hasOwn(Configuration.shape, key)) return;
        const printed = `${Object.keys(one).length === 0 ? "" : stringify(one)}${key}: 1\n`;
        const line = printed.trimEnd().split("\n").length;
        const read = readConfiguration(printed);
        expect(read).toMatchObject({ ok: false, errors: [{ line }], rest: one });
      }),
      { numRuns: 200 },
    );
  });
});
