import * as fc from "fast-check";
import { expect, test } from "vitest";
import { COMMANDS } from "../../../src/core/command/command.ts";
import { readCommands } from "../../../src/core/command/read.ts";
import { declarationOf } from "../../../src/core/command/registry.ts";
import { matchTargets } from "../../../src/core/command/targets.ts";
import { faults } from "../report/markdown.ts";

/**
 * GHSA-gq52-6phf-x2r6: the words behind a slash command were put into a shell. Here they are compared with what was
 * enumerated, and only what was enumerated goes on, as an argument of its own; only declared flags begin with a dash.
 */

const PAYLOADS = [
  "$(touch owned)",
  "`touch owned`",
  "${IFS}",
  ";touch owned",
  "a;b",
  "a&&b",
  "|sh",
  "x'\"$(id)",
  ">/etc/passwd",
  "--upload-pack=touch",
  "--option",
  "-rf",
  "-oProxyCommand=id",
  "../../etc",
  "/etc/passwd",
  "machine1\u0000x",
  "a\\\nb",
];
const machines = ["machine1", "machine2", "db-1"].map((name) => ({
  name,
  tags: ["web"],
  roles: [],
}));

test.each(PAYLOADS)("%j is no target, wherever a command takes one", (payload) => {
  for (const name of COMMANDS) {
    for (const body of [`/${name} ${payload}`, `/${name} machine1 ${payload}`]) {
      for (const line of readCommands(body).lines) {
        if (line.kind === "problem") {
          expect(faults(line.problem), body).toEqual([]);
          continue;
        }
        const { arguments: values, flags } = line.command;
        expect(
          flags.every((flag) => declarationOf(name).flags.some((one) => one.name === flag)),
        ).toBe(true);
        expect(
          values.filter((value) => value.startsWith("-")),
          body,
        ).toEqual([]);
        const { targets } = matchTargets(values, machines);
        expect(targets.every((target) => machines.includes(target))).toBe(true);
      }
    }
  }
  const { targets, unmatched } = matchTargets([payload], machines);
  expect([targets, unmatched]).toEqual([[], [payload]]);
});

test("whatever is asked for, only what was enumerated comes out", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 4 }), (patterns) => {
      const { targets } = matchTargets(patterns, machines);
      expect(targets.every((target) => machines.includes(target))).toBe(true);
    }),
  );
  expect(matchTargets(["machine*"], machines).targets.map(({ name }) => name)).toEqual([
    "machine1",
    "machine2",
  ]);
});
