import { describe, expect, it } from "vitest";
import {
  behind,
  LAST_HOLD,
  openGate,
  plan,
  type Row,
  settle,
  silenced,
  takeOver,
  wish,
  YIELD_HOLD,
} from "../../../src/core/writer/index.ts";

const wanted = (name: string, rest: Partial<Row> = {}) => ({
  resource: `check:1-1:${name}`,
  kind: "check" as const,
  run: "1-1",
  place: `head ${name}`,
  last: name === "snowcat",
  yields: false,
  succeeds: [],
  version: 1,
  aggregate: true,
  terminal: true,
  annotations: 0,
  ...rest,
});
const row = (name: string, rest: Partial<Row> = {}): Row => {
  const made = wish(null, wanted(name, rest), 0);
  if (made === null) throw new Error("a first wish always counts");
  return { ...made, ...rest };
};
const sent = (rows: Row[], now: number) =>
  plan(rows, now, openGate(now)).actions.map(({ resource }) => resource);

describe("the overall check", () => {
  it("is completed after every other check of its run", () => {
    const overall = row("snowcat");
    const build = row("build");
    expect(sent([overall, build], 0)).toEqual([build.resource]);
    const shown = settle(
      build,
      { resource: build.resource, kind: "create", version: 1, annotated: 0 },
      { kind: "shown", shownId: 7, annotated: 0 },
      0,
    );
    expect(behind(shown)).toBe(false);
    expect(sent([overall, shown], 0)).toEqual([overall.resource]);
  });

  it("waits for no other run, and not for ever", () => {
    const overall = row("snowcat");
    expect(
      sent(
        [
          overall,
          row("build", { resource: "check:1-2:build", run: "1-2", state: "unknown", dueAt: 1e9 }),
        ],
        0,
      ),
    ).toEqual([overall.resource]);
    const stuck = row("build", { state: "unknown", dueAt: 1e9 });
    expect(sent([overall, stuck], LAST_HOLD - 1)).toEqual([]);
    expect(plan([overall, stuck], 0, openGate(0)).wakeAt).toBe(LAST_HOLD);
    expect(sent([overall, stuck], LAST_HOLD)).toEqual([overall.resource]);
  });

  it("shows its progress at once", () => {
    const overall = row("snowcat", { terminal: false });
    expect(sent([overall, row("build")], 0)).toContain(overall.resource);
  });
});

describe("a run that gives way to another of the same commit", () => {
  const open = row("snowcat", { terminal: false, shownId: 7, shown: 1 });
  const heir = row("snowcat", {
    resource: "check:1-2:snowcat",
    run: "1-2",
    succeeds: ["1-1"],
    terminal: false,
  });

  it("leaves its open check run to the successor, and says nothing more", () => {
    const taken = takeOver(heir, open);
    expect(taken?.heir).toMatchObject({ resource: "check:1-2:snowcat", shownId: 7, shown: 0 });
    expect(taken && plan([taken.heir, taken.older], 0, openGate(0)).actions).toMatchObject([
      { resource: "check:1-2:snowcat", kind: "update" },
    ]);
    expect(taken && wish(taken.older, wanted("snowcat", { version: 9 }), 0)).toBeNull();
  });

  it("is not shown as cancelled while the successor may still come", () => {
    const cancelled = wish(open, wanted("snowcat", { version: 2, yields: true }), 0);
    if (cancelled === null) throw new Error("a newer wish counts");
    expect(sent([cancelled], YIELD_HOLD - 1)).toEqual([]);
    expect(sent([cancelled], YIELD_HOLD)).toEqual([cancelled.resource]);
    expect(takeOver(heir, cancelled)?.heir.shownId).toBe(7);
  });

  it("keeps what is completed, and what nobody knows the outcome of", () => {
    expect(takeOver(heir, { ...open, terminal: true })).toBeNull();
    expect(takeOver(heir, { ...open, state: "sending" })).toBeNull();
    expect(takeOver(heir, { ...open, state: "unknown" })).toBeNull();
    expect(takeOver(heir, { ...open, place: "another" })).toBeNull();
  });

  it("holds the successor's own check run back while nobody knows what became of the older one's", () => {
    for (const state of ["sending", "unknown"] as const) {
      const older = { ...row("snowcat", { terminal: false }), state, dueAt: 1e9 };
      expect(sent([heir, older], 0), state).toEqual([]);
      // A new one stands above one that is there.
      expect(sent([heir, { ...older, shownId: 7 }], 0), state).toEqual([heir.resource]);
      expect(sent([{ ...heir, succeeds: [] }, older], 0), state).toEqual([heir.resource]);
      expect(sent([heir, { ...older, place: "another" }], 0), state).toEqual([heir.resource]);
    }
  });

  it("takes nothing of a run that lives on beside it, whichever comes first", () => {
    expect(takeOver({ ...heir, succeeds: [] }, open)).toBeNull();
    expect(takeOver({ ...heir, succeeds: ["1-9"] }, open)).toBeNull();
    expect(takeOver(row("snowcat"), open)).toBeNull();
  });

  it("is not completed a second time: what waited for approval stays as it was, below the successor", () => {
    const waiting = row("snowcat", { shownId: 7, shown: 1 });
    expect(wish(waiting, wanted("snowcat", { version: 2, yields: true }), 5)).toBeNull();
    expect(wish(waiting, wanted("snowcat", { version: 2 }), 5)).not.toBeNull();
  });

  it("is heard no more after its successor has spoken, but to close what it left open", () => {
    expect(silenced(open, "success")).toBe(true);
    expect(silenced(open, null)).toBe(true);
    expect(silenced(open, "cancelled")).toBe(false);
    expect(silenced(null, "cancelled")).toBe(true);
  });
});
