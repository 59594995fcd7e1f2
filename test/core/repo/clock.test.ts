import { describe, expect, it } from "vitest";
import type { Rollout } from "../../../src/core/config/machines.ts";
import {
  type ClockAnswer,
  type ClockQuestion,
  type ClockRow,
  tick,
} from "../../../src/core/repo/clock.ts";
import type { DeployReason } from "../../../src/core/repo/request.ts";

const REF = "refs/heads/main";
const A = "a".repeat(40);
const B = "b".repeat(40);
const HOUR = 3_600_000;
const START = Date.parse("2026-11-20T12:00:00Z");
const ada = { login: "ada", id: 3, type: "User" };

type Run = ClockQuestion["runs"][number];
const pushed = (n: number, head: string, conclusion: string | null = "success"): Run => ({
  n,
  key: `push:${REF}`,
  head,
  reason: { kind: "push", ref: REF, head, before: null },
  state: conclusion === null ? "active" : "finished",
  conclusion,
  sender: ada,
});
const rolling = (n: number, reason: DeployReason): Run => ({
  n,
  key: `deploy:${reason.key}`,
  head: reason.head,
  reason,
  state: "active",
  conclusion: null,
  sender: ada,
});

/** A repository in memory: keeps the clock's rows, and what was begun. */
class World {
  now = START;
  head: string | null = A;
  rollouts: Record<string, Rollout> = {};
  machines: string[] = [];
  minutes = 360;
  runs: Run[] = [];
  rows: ClockRow[] = [];
  repository = 7;

  tick(): ClockAnswer {
    const answer = tick({
      now: this.now,
      repository: this.repository,
      ref: REF,
      head: this.head,
      rollouts: this.rollouts,
      machines: this.machines,
      observeMinutes: this.minutes,
      rows: this.rows,
      runs: this.runs,
    });
    const names = new Set([...answer.gone, ...answer.rows.map(({ name }) => name)]);
    this.rows = [...this.rows.filter(({ name }) => !names.has(name)), ...answer.rows];
    return answer;
  }

  /** What is begun at each tick until `until`, as often as the clock asks to be looked at. */
  pass(until: number): { at: number; what: string }[] {
    const begun: { at: number; what: string }[] = [];
    for (let turn = 0; turn < 100_000; turn += 1) {
      const { begin, nextAt } = this.tick();
      for (const { reason } of begin) begun.push({ at: this.now, what: reason.key });
      if (nextAt === null || nextAt > until) return begun;
      expect(nextAt).toBeGreaterThan(this.now);
      this.now = nextAt;
    }
    throw new Error("the clock asks for ever");
  }
}

describe("a rollout on push", () => {
  const world = () => {
    const made = new World();
    made.rollouts = { web: { on: "push", stages: ["tag:canary", { targets: ["web*", "db1"] }] } };
    return made;
  };

  it("begins once the default branch's own run has succeeded, for all its stages, once", () => {
    const at = world();
    expect(at.tick().begin).toEqual([]);
    at.runs = [pushed(1, A, null)];
    expect(at.tick().begin).toEqual([]);
    at.runs = [pushed(1, A)];
    expect(at.tick().begin).toEqual([
      {
        reason: {
          kind: "deploy",
          head: A,
          ref: REF,
          pull: null,
          key: `push:web:${START}`,
          what: { kind: "deploy", targets: ["tag:canary", "web*", "db1"], force: false },
          begun: { by: "push", rollout: "web" },
        },
        sender: ada,
      },
    ]);
    expect(at.tick()).toMatchObject({ begin: [], nextAt: null });
  });

  it.each(["failure", "action_required", "cancelled"])("does not begin after %s", (conclusion) => {
    const at = world();
    at.runs = [pushed(1, A, conclusion)];
    expect(at.tick().begin).toEqual([]);
  });

  it("of what is pushed while it goes on begins the newest alone, when it is over", () => {
    const at = world();
    at.runs = [pushed(1, A)];
    const [first] = at.tick().begin;
    if (first === undefined) throw new Error("it did not begin");
    at.head = B;
    at.runs = [pushed(1, A), pushed(3, B), rolling(2, first.reason)];
    expect(at.tick().begin).toEqual([]);
    at.runs = [pushed(1, A), pushed(3, B)];
    expect(at.tick().begin.map(({ reason }) => reason.head)).toEqual([B]);
  });

  it("comes back with a commit that comes back, and is judged again there", () => {
    const at = world();
    at.runs = [pushed(1, A)];
    at.tick();
    at.head = B;
    at.runs = [pushed(1, A), pushed(2, B)];
    at.tick();
    at.head = A;
    at.runs = [pushed(1, A), pushed(2, B), pushed(3, A, null)];
    expect(at.tick().begin).toEqual([]);
    at.runs = [pushed(1, A), pushed(2, B), pushed(3, A)];
    expect(at.tick().begin.map(({ reason }) => reason.head)).toEqual([A]);
  });
});

describe("a rollout on schedule", () => {
  const world = (schedule: string) => {
    const made = new World();
    made.rollouts = { web: { on: "schedule", schedule } };
    return made;
  };

  it("begins at each of its times, and not when it is first read", () => {
    const at = world("30 */6 * * *");
    expect(at.pass(START + 24 * HOUR).map((one) => new Date(one.at).toISOString())).toEqual([
      "2026-11-20T12:30:00.000Z",
      "2026-11-20T18:30:00.000Z",
      "2026-11-21T00:30:00.000Z",
      "2026-11-21T06:30:00.000Z",
    ]);
  });

  it("that was missed, however often, is caught up once, and not by everybody at once", () => {
    const begun = Array.from({ length: 40 }, (_, n) => {
      const at = world("30 */6 * * *");
      at.repository = n;
      at.tick();
      at.now = START + 50 * HOUR;
      const all = at.pass(START + 53 * HOUR);
      expect(all).toHaveLength(1);
      return (all[0]?.at ?? 0) - (START + 50 * HOUR);
    });
    expect(Math.max(...begun)).toBeLessThan(10 * 60_000);
    expect(new Set(begun).size).toBeGreaterThan(30);
  });

  it("by a word has a minute of its own for each repository, every time the same", () => {
    const minutes = Array.from({ length: 40 }, (_, n) => {
      const at = world("daily");
      at.repository = n;
      const all = at.pass(START + 72 * HOUR).map((one) => (one.at - START) % (24 * HOUR));
      expect(all).toHaveLength(3);
      expect(new Set(all).size).toBe(1);
      return (all[0] ?? 0) - 16 * HOUR;
    });
    expect(Math.min(...minutes)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...minutes)).toBeLessThan(30 * 60_000);
    expect(new Set(minutes).size).toBeGreaterThan(30);
  });

  it("is left out while the last one goes on, and where no commit is known", () => {
    const at = world("0 * * * *");
    at.tick();
    at.now = START + HOUR;
    const [first] = at.tick().begin;
    if (first === undefined) throw new Error("it did not begin");
    at.runs = [rolling(1, first.reason)];
    expect(at.pass(START + 3 * HOUR)).toEqual([]);
    at.runs = [];
    at.head = null;
    expect(at.pass(START + 5 * HOUR)).toEqual([]);
    at.head = A;
    expect(at.pass(START + 6 * HOUR)).toHaveLength(1);
  });

  it("with another schedule begins anew; one that is gone leaves nothing", () => {
    const at = world("0 13 * * *");
    at.tick();
    at.rollouts = { web: { on: "schedule", schedule: "0 20 * * *" } };
    expect(at.tick().nextAt).toBe(START + 8 * HOUR);
    at.rollouts = { web: { on: "manual" } };
    expect(at.tick()).toMatchObject({ gone: ["rollout:web"], nextAt: null });
    expect(at.rows).toEqual([]);
  });
});

describe("machines", () => {
  it("are looked at soon, and then every so often, all in one run", () => {
    const at = new World();
    at.machines = ["web1", "web2"];
    at.minutes = 60;
    const begun = at.pass(START + 5 * HOUR);
    expect(begun).toHaveLength(5);
    expect((begun[0]?.at ?? 0) - START).toBeLessThan(2 * 60_000);
    for (const [n, { at: time }] of begun.entries())
      expect(time - (begun[0]?.at ?? 0)).toBe(n * HOUR);
  });

  it("that nobody looked at before the next time: that look is ended, and there is a new one", () => {
    const at = new World();
    at.machines = ["web1"];
    at.pass(START + HOUR);
    const last = at.rows[0]?.dueAt ?? 0;
    at.now = last;
    const reason: DeployReason = {
      kind: "deploy",
      head: A,
      ref: REF,
      pull: null,
      key: "observe:1",
      what: { kind: "observe", targets: ["web1"] },
      begun: { by: "schedule", rollout: null },
    };
    at.runs = [rolling(4, reason), rolling(5, { ...reason, begun: undefined })];
    const answer = at.tick();
    expect(answer.end).toEqual([4]);
    expect(answer.begin.map((one) => one.reason.what)).toEqual([
      { kind: "observe", targets: ["web1"] },
    ]);
  });

  it("that are gone are not looked at any more", () => {
    const at = new World();
    at.machines = ["web1"];
    at.tick();
    at.machines = [];
    expect(at.tick()).toMatchObject({ gone: ["observe"], nextAt: null, begin: [] });
  });
});
