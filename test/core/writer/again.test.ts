import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgedAgain, type Told } from "../../../src/core/writer/index.ts";

const STATES = ["idle", "sending", "unknown", "parked", "retired"] as const;
const CONCLUSIONS = [
  "success",
  "failure",
  "neutral",
  "cancelled",
  "timed_out",
  "action_required",
  null,
] as const;
const nobody: ReadonlySet<string> = new Set();

/** The overall check of run 1-2, which succeeded. */
const newer = (row: Partial<Told["row"]> = {}, rest: Partial<Told> = {}): Told => ({
  commit: "c",
  conclusion: "success",
  scope: { subject: "pull:7", also: [] },
  ...rest,
  row: {
    kind: "check",
    run: "1-2",
    place: "c snowcat",
    last: true,
    aggregate: true,
    terminal: true,
    succeeds: ["1-1"],
    state: "idle",
    shownId: 20,
    ...row,
  },
});
/** A root cause's check of run 1-1, which failed. */
const older = (row: Partial<Told["row"]> = {}, rest: Partial<Told> = {}): Told => ({
  commit: "c",
  conclusion: "failure",
  scope: { subject: "pull:7", also: [] },
  ...rest,
  row: {
    kind: "check",
    run: "1-1",
    place: "c snowcat / x",
    last: false,
    aggregate: false,
    terminal: true,
    succeeds: [],
    state: "idle",
    shownId: 10,
    ...row,
  },
});

describe("a failing check of an older run of the commit", () => {
  it.each([
    ["shown", older(), "green"],
    ["just being sent", older({ state: "sending", shownId: null }), "green"],
    ["sent, and nobody knows whether it came", older({ state: "unknown", shownId: null }), "green"],
    ["not sent yet", older({ shownId: null }), "never"],
    ["refused by GitHub before it was shown", older({ state: "parked", shownId: null }), "never"],
    ["taken over", older({ state: "retired" }), null],
    ["green already", older({}, { conclusion: "success" }), null],
    ["that took too long", older({}, { conclusion: "timed_out" }), "green"],
    ["that waits for a person", older({}, { conclusion: "action_required" }), "green"],
    ["an aggregate", older({ aggregate: true }), null],
    ["of a run that did not come before", older({ run: "1-3" }), null],
    ["of another commit", older({}, { commit: "d" }), null],
    ["of another subject", older({}, { scope: { subject: "push:refs/heads/t", also: [] } }), null],
    [
      "of a run that was asked for more",
      older({}, { scope: { subject: "pull:7", also: ["**.x"] } }),
      null,
    ],
    ["of an earlier release", older({}, { scope: null }), null],
    ["a comment", older({ kind: "sticky", run: null }), null],
  ] as const)("%s", (_name, check, becomes) => {
    expect(judgedAgain(newer(), check, nobody)).toBe(becomes);
  });

  it("stays what it is while the newer run says something of that name itself", () => {
    expect(judgedAgain(newer(), older(), new Set(["c snowcat / x"]))).toBeNull();
    expect(judgedAgain(newer(), older(), new Set(["c snowcat / y"]))).toBe("green");
  });

  it("is undone by a run that was asked for more", () => {
    const more = newer({}, { scope: { subject: "pull:7", also: ["**.x", "**.y"] } });
    const asked = older({}, { scope: { subject: "pull:7", also: ["**.x"] } });
    expect(judgedAgain(more, asked, nobody)).toBe("green");
  });
});

describe("no untested code becomes green", () => {
  const places = ["c snowcat", "c snowcat / x", "d snowcat / x"] as const;
  // What differs from a pair of checks that the rule is made for.
  const of = <T extends keyof Told["row"]>(key: T, ...values: Told["row"][T][]) =>
    fc.constantFrom(...values).map((value) => ({ row: { [key]: value }, rest: {} }));
  const scope = fc.option(
    fc.record({
      subject: fc.constantFrom("pull:7", "pull:8"),
      also: fc.subarray(["**.x", "**.y"]),
    }),
  );
  const change: fc.Arbitrary<{ row: Partial<Told["row"]>; rest: Partial<Told> }> = fc.oneof(
    of("kind", "check", "sticky"),
    of("run", "1-1", "1-2", "1-3", null),
    of("place", ...places),
    of("last", true, false),
    of("aggregate", true, false),
    of("terminal", true, false),
    of("succeeds", [], ["1-1"], ["1-2", "1-1"]),
    of("state", ...STATES),
    of("shownId", null, 1),
    fc.constantFrom("c", "d").map((commit) => ({ row: {}, rest: { commit } })),
    fc.constantFrom(...CONCLUSIONS).map((conclusion) => ({ row: {}, rest: { conclusion } })),
    scope.map((one) => ({ row: {}, rest: { scope: one } })),
  );
  const changes = fc
    .array(change, { maxLength: 3 })
    .map(
      (all) =>
        [
          Object.assign({}, ...all.map(({ row }) => row)) as Partial<Told["row"]>,
          Object.assign({}, ...all.map(({ rest }) => rest)) as Partial<Told>,
        ] as const,
    );

  it("but by a newer run of the same commit and subject whose overall check is a success", () => {
    let undone = 0;
    fc.assert(
      fc.property(changes, changes, fc.subarray([...places]), (a, b, own) => {
        const [by, before] = [newer(...a), older(...b)];
        const becomes = judgedAgain(by, before, new Set(own));
        if (becomes === null) return;
        undone += 1;
        expect(by.row).toMatchObject({ kind: "check", last: true, terminal: true });
        expect(by.row.state).not.toBe("retired");
        expect(by.conclusion).toBe("success");
        expect(by.row.succeeds).toContain(before.row.run);
        expect(by.commit).toBe(before.commit);
        expect(by.scope?.subject).toBe(before.scope?.subject);
        expect(by.scope?.also).toEqual(expect.arrayContaining(before.scope?.also ?? ["never"]));
        expect(before.row).toMatchObject({ kind: "check", aggregate: false, terminal: true });
        expect(before.row.state).not.toBe("retired");
        expect(own).not.toContain(before.row.place);
      }),
      { numRuns: 5_000, seed: 4 },
    );
    // The law was put to the test.
    expect(undone).toBeGreaterThan(500);
  });
});
