import { describe, expect, it } from "vitest";
import { closeLost } from "../../../src/runner/deploy/engine/lost.ts";
import type { ToolEnd } from "../../../src/runner/deploy/methods/method.ts";
import { ModelMachine, NEW, OLD } from "./model.ts";
import { quiet } from "./script.ts";
import { work } from "./support.ts";
import { Ticking } from "./ticking.ts";
import { back, closure, DONE, ended, OTHER, parts, play, source } from "./tool-play.ts";

describe("a tool between Snowcat's guards", () => {
  it("activates what was approved, and Snowcat confirms, commits and reads back", async () => {
    const { outcome, steps, calls, truth } = await play({
      tool: (machine) => (machine.toolRuns(NEW), DONE),
    });
    expect(outcome).toMatchObject({ kind: "active", system: NEW, running: NEW });
    expect(steps).toEqual([
      "connect",
      "check",
      "build",
      "begin",
      "space",
      "copy",
      "verify",
      "dry-activate",
      "activate",
      "confirm",
      "health",
      "commit",
      "read-back",
    ]);
    expect(calls).toEqual(["check", "build", "activate", "verify"]);
    expect(truth).toEqual({ running: NEW, profile: NEW });
  });

  it.each<[string, (machine: ModelMachine) => ToolEnd, RegExp]>([
    [
      "says 0 and did nothing",
      () => DONE,
      /says that it is done, and the machine runs what it ran/u,
    ],
    [
      "put something else there",
      (machine) => (machine.toolRuns(OTHER, "both"), DONE),
      /the machine runs .*-other/u,
    ],
    [
      "failed after it had switched",
      (machine) => (machine.toolRuns(NEW, "both"), ended({ exitCode: 1, log: "boot loader" })),
      /exited with 1\nboot loader/u,
    ],
    [
      "was over its limit",
      (machine) => (machine.toolRuns(NEW), ended({ exitCode: null, timedOut: true })),
      /was over its time limit/u,
    ],
    [
      "set the profile of a machine that it says it passed over",
      (machine) => (machine.toolRuns(NEW, "boots"), ended({ skipped: "offline" })),
      /passed the machine over: offline/u,
    ],
  ])("takes the machine back when it %s", async (_, tool, why) => {
    const { outcome, truth } = await play({ tool });
    expect(outcome).toMatchObject({
      kind: "rolled-back",
      step: "activate",
      why: expect.stringMatching(why) as string,
    });
    expect(truth).toEqual({ running: OLD, profile: OLD });
  });

  it("says that nothing was touched where the tool passed the machine over", async () => {
    const { outcome, machine } = await play({ tool: () => ended({ skipped: "offline" }) });
    expect(outcome).toMatchObject({ kind: "failed-untouched", step: "activate", running: OLD });
    expect(machine.ran).toEqual([OLD]);
  });

  it("needs a reboot where the tool could only set what boots", async () => {
    const { outcome, truth } = await play({
      tool: (machine) => (
        machine.toolRuns(NEW, "boots"),
        ended({ exitCode: 1, inhibited: "dbus" })
      ),
    });
    expect(outcome).toMatchObject({ kind: "needs-reboot", system: NEW, why: "clan: dbus" });
    expect(truth).toEqual({ running: OLD, profile: NEW });
  });

  it("takes it back for what the method itself sees", async () => {
    const { outcome, truth } = await play({
      tool: (machine) => (machine.toolRuns(NEW), DONE),
      module: { verify: async () => ["flake.lock is another one"] },
    });
    expect(outcome).toMatchObject({
      kind: "rolled-back",
      step: "health",
      why: "flake.lock is another one",
    });
    expect(truth).toEqual({ running: OLD, profile: OLD });
  });

  it("is guarded: a tool that never ends is taken back by the machine alone", async () => {
    const { outcome } = await play({
      tool: (machine, clock) => {
        machine.toolRuns(NEW, "both");
        clock.pass(40);
        return ended({ exitCode: null, timedOut: true });
      },
    });
    expect(outcome).toMatchObject({ kind: "rolled-back", running: OLD });
  });

  it("is not begun where something is missing, or it would do something else", async () => {
    const missing = await play({
      module: { check: async () => ({ kind: "missing", missing: ["a password"] }) },
    });
    expect(missing.outcome).toEqual({
      kind: "not-prepared",
      missing: ["a password"],
      running: OLD,
    });
    expect(missing.machine.counter).toBe(4);
    const other = await play({ module: { build: async () => ({ kind: "failed", why: "other" }) } });
    expect(other.outcome).toMatchObject({ kind: "failed-untouched", step: "build", why: "other" });
    const cancelled = await play({ cancelAt: "build" });
    expect(cancelled.outcome).toMatchObject({ kind: "failed-untouched", step: "build" });
    expect(cancelled.machine.counter).toBe(4);
  });

  it.each<[string, ReadonlyMap<number, "before" | "after">]>(
    [5, 6, 7, 8, 9, 10].flatMap((at) =>
      (["before", "after"] as const).map((when) => [`${when} verb ${at}`, new Map([[at, when]])]),
    ),
  )("ends truthfully when the link is cut %s", async (_, cuts) => {
    const { outcome, truth } = await play({
      script: { cuts },
      tool: (machine) => (machine.toolRuns(NEW), DONE),
    });
    if (outcome.kind === "active") expect(truth).toEqual({ running: NEW, profile: NEW });
    else expect(truth).toEqual({ running: OLD, profile: OLD });
    expect(outcome.running).toBe(truth.running);
    expect(outcome.kind).not.toBe("unknown");
  });
});

describe("a tool whose runner was killed", () => {
  it.each([
    ["while it was at it", true],
    ["after it had ended", false],
  ])("%s is not begun again: the machine goes back at once", async (_, isRunning) => {
    const clock = new Ticking();
    const machine = new ModelMachine(quiet, clock);
    await machine.begin({ counter: 5, expected: null, system: NEW });
    await machine.copy({ counter: 5 });
    await machine.verify({ counter: 5 });
    await machine.guard({ counter: 5, activationSeconds: 600, confirmationSeconds: 600 });
    machine.toolRuns(NEW, "both");
    if (!isRunning) await machine.activated({ counter: 5, exitCode: 0 });
    const before = clock.now();
    const outcome = await closeLost({
      ...parts({ machine, clock }),
      work: work({ method: "clan", action: closure }),
      tool: null,
    });
    expect(outcome).toMatchObject({ kind: "rolled-back", running: OLD });
    expect(machine.profile).toBe(OLD);
    // Nobody's limit was waited for where nobody is there to end by itself.
    if (isRunning) expect(clock.now() - before).toBeLessThan(10_000);
  });
});

describe("a tool that builds from source", () => {
  it("is asked for no closure, and what came of it is what runs", async () => {
    const { outcome, steps, truth } = await play({
      action: source,
      tool: (machine) => (machine.toolRuns(OTHER, "both"), DONE),
    });
    expect(outcome).toMatchObject({ kind: "active", system: OTHER });
    expect(steps).not.toContain("copy");
    expect(steps).not.toContain("dry-activate");
    expect(truth).toEqual({ running: OTHER, profile: OTHER });
  });

  it("is active where the same sources bring the same system", async () => {
    const { outcome } = await play({ action: source });
    expect(outcome).toMatchObject({ kind: "active", system: OLD, running: OLD });
  });

  it("is taken back with its sources, and says when they stay", async () => {
    const why: string[] = [];
    const sick = async (end: ToolEnd) =>
      await play({
        action: source,
        script: { fails: ["web.service"] },
        tool: (machine) => (machine.toolRuns(OTHER, "both"), DONE),
        module: {
          rollBack: async (_place, asked) => {
            why.push(asked);
            return end;
          },
        },
      });
    const clean = await sick(DONE);
    expect(clean.outcome).toMatchObject({ kind: "rolled-back", failedUnits: ["web.service"] });
    expect(clean.outcome).not.toHaveProperty("why", expect.stringContaining("sources"));
    const left = await sick(ended({ exitCode: 23, log: "rsync" }));
    expect(left.outcome).toMatchObject({
      kind: "rolled-back",
      why: expect.stringContaining(
        "could not be brought back: clan exited with 23\nrsync",
      ) as string,
    });
    expect(why).toEqual(["sick", "sick"]);
    expect(left.truth).toEqual({ running: OLD, profile: OLD });
  });

  it("goes back by the machine's own generation, sources first", async () => {
    const order: string[] = [];
    const { outcome, calls } = await play({
      action: back,
      module: {
        rollBack: async (_place, asked) => {
          order.push(asked);
          return DONE;
        },
      },
    });
    expect(order).toEqual(["asked"]);
    expect(calls).toEqual([]);
    expect(outcome).toMatchObject({ kind: "active", notices: [] });
    const left = await play({
      action: back,
      module: { rollBack: async () => ended({ exitCode: 1, log: "no such revision" }) },
    });
    expect(left.outcome).toMatchObject({
      kind: "active",
      notices: [expect.stringContaining("no such revision")],
    });
  });
});
