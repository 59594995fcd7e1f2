import { describe, expect, it } from "vitest";
import {
  type Ask,
  ask,
  end,
  free,
  heard,
  keep,
  leave,
  lose,
  observe,
  overdue,
  SILENT,
  unlock,
  unreachable,
  withdraw,
} from "../../../src/core/deploy/index.ts";
import { active, asked, Keeper, NEW, observation, OLD, rolledBack, system } from "./keeper.ts";

const other = { owner: { repository: 2, pull: 3, by: "bob" } };

function begun(fields: Partial<Ask> = {}): Keeper {
  const keeper = new Keeper();
  keeper.write(observe(keeper.slice(), observation({ at: 1 }), 0, 1));
  keeper.write(ask(keeper.slice("a"), asked("a", fields), 10));
  return keeper;
}

describe("a machine's turns", () => {
  it("are given in the order of asking, each with a higher counter", () => {
    const keeper = begun();
    expect(keeper.tickets.get("a")).toMatchObject({ state: "begun", counter: 1, before: OLD });
    const second = keeper.write(ask(keeper.slice("b"), asked("b", other), 11));
    expect(second.turn).toEqual({
      kind: "waiting",
      before: { owner: { repository: 1, pull: 7, by: "ada" }, lost: false },
    });
    keeper.write(ask(keeper.slice("c"), asked("c"), 12));
    keeper.write(end(keeper.slice("a"), "a", 1, active(), 20));
    expect(keeper.effects).toEqual([
      { kind: "granted", key: "b", run: "run-b", machine: "web1", counter: 2 },
    ]);
    expect(keeper.tickets.get("c")?.state).toBe("waiting");
  });

  it("are the same however often one asks", () => {
    const keeper = begun();
    expect(keeper.write(ask(keeper.slice("a"), asked("a"), 11)).turn).toEqual({
      kind: "granted",
      counter: 1,
    });
    keeper.write(end(keeper.slice("a"), "a", 1, active(), 20));
    expect(keeper.write(ask(keeper.slice("a"), asked("a"), 21)).turn).toEqual({
      kind: "ended",
      outcome: active(),
    });
    expect(keeper.machine.counter).toBe(1);
    expect(keeper.effects).toEqual([]);
  });

  it("count on from what the machine has shown: somebody deployed past the control plane", () => {
    const keeper = begun();
    keeper.write(end(keeper.slice("a"), "a", 1, active(), 20));
    keeper.write(observe(keeper.slice(), observation({ at: 2, counter: 41 }), 20, 30));
    expect(keeper.write(ask(keeper.slice("b"), asked("b"), 31)).turn).toEqual({
      kind: "granted",
      counter: 42,
    });
  });

  it("are not ended by who has another counter", () => {
    const keeper = begun();
    keeper.write(end(keeper.slice("a"), "a", 7, active(), 20));
    keeper.write(heard(keeper.slice("a"), "a", 7, "commit", 20));
    expect(keeper.tickets.get("a")).toMatchObject({ state: "begun", step: null });
  });

  it("are given up before they begin, and not after", () => {
    const keeper = begun();
    keeper.write(ask(keeper.slice("b"), asked("b"), 11));
    expect(keeper.write(withdraw(keeper.slice("b"), "b", 12)).begun).toBeNull();
    expect(keeper.tickets.get("b")?.state).toBe("ended");
    expect(keeper.write(ask(keeper.slice("b"), asked("b"), 13)).turn).toMatchObject({
      kind: "refused",
      refusal: { code: "gone" },
    });
    expect(keeper.write(withdraw(keeper.slice("a"), "a", 14)).begun).toBe(1);
    expect(keeper.tickets.get("a")?.state).toBe("begun");
  });

  it("that are silent for long make the run be asked", () => {
    const keeper = begun();
    expect(overdue(keeper.slice(), 10 + SILENT - 1)).toEqual([]);
    expect(overdue(keeper.slice(), 10 + SILENT)).toMatchObject([{ kind: "ask-run", key: "a" }]);
    keeper.write(heard(keeper.slice("a"), "a", 1, "copy", 20));
    expect(overdue(keeper.slice(), 10 + SILENT)).toEqual([]);
  });
});

describe("what keeps a machine", () => {
  const lock = { kind: "lock" as const, owner: asked("").owner, reason: "moving", run: null };

  it("a lock lets its pull request go on and nobody else", () => {
    const keeper = new Keeper();
    keeper.write(keep(keeper.slice(), lock, 1));
    expect(keeper.write(ask(keeper.slice("b"), asked("b", other), 2)).turn).toEqual({
      kind: "refused",
      refusal: { code: "locked", why: "It is locked for #7 by `ada`: `moving`." },
    });
    expect(keeper.write(ask(keeper.slice("a"), asked("a"), 2)).turn.kind).toBe("granted");
    // The number is another repository's.
    const stranger = { owner: { repository: 9, pull: 7, by: "eve" } };
    expect(keeper.write(ask(keeper.slice("c"), asked("c", stranger), 2)).turn.kind).toBe("refused");
    expect(keeper.write(keep(keeper.slice(), { ...lock, ...other }, 3)).refusal?.code).toBe(
      "locked",
    );
  });

  it("a lock does not overtake who asked before it", () => {
    const keeper = begun();
    keeper.write(ask(keeper.slice("b"), asked("b", other), 11));
    keeper.write(keep(keeper.slice(), lock, 12));
    keeper.write(ask(keeper.slice("c"), asked("c", other), 13));
    keeper.write(end(keeper.slice("a"), "a", 1, active(), 20));
    expect(keeper.effects).toMatchObject([{ kind: "granted", key: "b" }]);
    expect(keeper.tickets.has("c")).toBe(false);
  });

  it("a hold keeps everybody away, who waits included; whoever has begun goes on", () => {
    const keeper = begun();
    keeper.write(ask(keeper.slice("b"), asked("b"), 11));
    keeper.write(keep(keeper.slice(), { ...lock, kind: "hold", ...other }, 12));
    expect(keeper.tickets.get("a")?.state).toBe("begun");
    keeper.write(end(keeper.slice("a"), "a", 1, active(), 20));
    expect(keeper.effects).toMatchObject([
      { kind: "refused", key: "b", refusal: { code: "held" } },
    ]);
    expect(
      keeper.write(ask(keeper.slice("r"), asked("r", { purpose: "rollback" }), 21)).turn.kind,
    ).toBe("refused");
    keeper.write(unlock(keeper.slice(), "ada", 22));
    expect(keeper.write(ask(keeper.slice("d"), asked("d"), 23)).turn.kind).toBe("granted");
  });

  it("a lock ends with its pull request, as soon as nothing of it is unresolved; a hold and another's stay", () => {
    const keeper = begun();
    const over = { repository: 1, pull: 7 };
    keeper.write(keep(keeper.slice(), lock, 11));
    expect(keeper.write(free(keeper.slice(), { ...over, repository: 9 }, 12)).resolved).toBe(true);
    expect(keeper.keeps.get("lock")).toBeDefined();
    expect(keeper.write(free(keeper.slice("a"), over, 13)).resolved).toBe(false);
    keeper.write(lose(keeper.slice("a"), "a", "activate", 14));
    expect(keeper.write(free(keeper.slice("a"), over, 15)).resolved).toBe(false);
    expect(keeper.keeps.get("lock")).toBeDefined();
    keeper.write(end(keeper.slice("a"), "a", 1, active(), 20));
    keeper.write(keep(keeper.slice(), { ...lock, kind: "hold" }, 21));
    expect(keeper.write(free(keeper.slice(), over, 22)).resolved).toBe(true);
    expect([...keeper.keeps.keys()]).toEqual(["hold"]);
  });

  it("a rollout's own lock ends with it; a sticky one of the same pull request stays", () => {
    const keeper = new Keeper();
    const run = asked("a").run;
    keeper.write(keep(keeper.slice(), { ...lock, run }, 1));
    keeper.write(leave(keeper.slice(), run, 2));
    expect(keeper.keeps.size).toBe(0);
    keeper.write(keep(keeper.slice(), lock, 3));
    keeper.write(keep(keeper.slice(), { ...lock, run }, 4));
    keeper.write(leave(keeper.slice(), run, 5));
    expect(keeper.keeps.get("lock")).toMatchObject({ run: null });
  });
});

describe("what is refused", () => {
  it("remembers the commit that a machine built from and was taken back from, and no other", () => {
    const keeper = new Keeper();
    const by = (sha: string) => ({ method: "krops" as const, system: null, sha });
    const [sick, well] = ["b".repeat(40), "c".repeat(40)];
    keeper.write(ask(keeper.slice("a"), asked("a", by(sick)), 1));
    keeper.write(end(keeper.slice("a"), "a", 1, rolledBack, 2));
    const again = ask(keeper.slice("b"), asked("b", by(sick)), 3).turn;
    expect(again).toMatchObject({ kind: "refused", refusal: { code: "bad" } });
    expect(JSON.stringify(again)).toContain("What this commit builds was taken back here before");
    expect(ask(keeper.slice("c"), asked("c", by(well)), 3).turn.kind).toBe("granted");
    const forced = asked("d", { ...by(sick), force: true });
    expect(ask(keeper.slice("d"), forced, 3).turn.kind).toBe("granted");
    // A rollback to what it built is another matter.
    const back = asked("e", { ...by(sick), purpose: "rollback" });
    expect(ask(keeper.slice("e"), back, 3).turn.kind).toBe("granted");
  });

  it("a system that was taken back, unless it is forced; its success redeems it", () => {
    const keeper = begun();
    keeper.write(end(keeper.slice("a"), "a", 1, rolledBack, 20));
    expect(keeper.write(ask(keeper.slice("b"), asked("b"), 21)).turn).toMatchObject({
      kind: "refused",
      refusal: { code: "bad" },
    });
    expect(
      keeper.write(ask(keeper.slice("r"), asked("r", { purpose: "rollback" }), 22)).turn.kind,
    ).toBe("granted");
    keeper.write(end(keeper.slice("r"), "r", 2, rolledBack, 23));
    keeper.write(ask(keeper.slice("c"), asked("c", { force: true }), 24));
    keeper.write(end(keeper.slice("c"), "c", 3, active(), 25));
    expect(keeper.write(ask(keeper.slice("d"), asked("d"), 26)).turn.kind).toBe("granted");
  });

  it("a plan that was made against something else than what runs now", () => {
    const keeper = begun();
    keeper.write(ask(keeper.slice("b"), asked("b", { expected: OLD }), 11));
    keeper.write(end(keeper.slice("a"), "a", 1, active(), 20));
    // Nobody has looked since; the runner compares once more.
    expect(keeper.tickets.get("b")?.state).toBe("begun");
    keeper.write(end(keeper.slice("b"), "b", 2, active(), 21));
    keeper.write(observe(keeper.slice(), observation({ at: 9, system: NEW }), 21, 22));
    expect(
      keeper.write(ask(keeper.slice("c"), asked("c", { expected: OLD }), 23)).turn,
    ).toMatchObject({ kind: "refused", refusal: { code: "stale" } });
  });
});

describe("a deploy that was lost", () => {
  function lost(step: "copy" | "health" | "commit", fields: Partial<Ask> = {}): Keeper {
    const keeper = begun(fields);
    keeper.write(heard(keeper.slice("a"), "a", 1, step, 15));
    keeper.write(ask(keeper.slice("b"), asked("b", other), 16));
    keeper.write(lose(keeper.slice("a"), "a", null, 20));
    return keeper;
  }

  it("keeps everybody away until the machine was looked at", () => {
    const keeper = lost("copy");
    expect(keeper.effects).toEqual([{ kind: "observe", notBefore: 20 }]);
    // What was asked before the loss proves nothing.
    keeper.write(observe(keeper.slice(), observation({ at: 5, counter: 1 }), 19, 21));
    expect(keeper.effects.at(-1)).toEqual({ kind: "observe", notBefore: 30_021 });
    keeper.write(unreachable(keeper.slice(), "away", 22));
    expect(keeper.tickets.get("a")?.state).toBe("lost");
    expect(keeper.tickets.get("b")?.state).toBe("waiting");
    keeper.write(observe(keeper.slice(), observation({ at: 6, counter: 1 }), 21, 30));
    expect(keeper.effects.slice(3)).toMatchObject([
      {
        kind: "settled",
        key: "a",
        outcome: { kind: "failed-untouched", step: "copy", running: OLD },
      },
      { kind: "granted", key: "b", counter: 2 },
    ]);
    // Nobody said that the system is bad.
    expect(keeper.bad.size).toBe(0);
  });

  it("is waited for while the machine is still at it, and not for ever", () => {
    const keeper = lost("health");
    const unfinished = { counter: 1, step: "health", since: 0 };
    keeper.write(observe(keeper.slice(), observation({ at: 6, counter: 1, unfinished }), 21, 30));
    expect(keeper.tickets.get("a")?.state).toBe("lost");
    expect(keeper.effects.at(-1)).toEqual({ kind: "observe", notBefore: 30_030 });
    keeper.write(
      observe(keeper.slice(), observation({ at: 7, counter: 1, unfinished }), 22, 20 + 7_200_000),
    );
    expect(keeper.tickets.get("a")?.outcome?.kind).toBe("unknown");
  });

  it("is looked at ever more seldom while the machine does not answer", () => {
    const keeper = lost("health");
    const pauses = [0, 600_000, 86_400_000].map((later) => {
      keeper.write(unreachable(keeper.slice(), "away", 20 + later));
      const effect = keeper.effects.at(-1);
      return effect?.kind === "observe" ? effect.notBefore - 20 - later : null;
    });
    expect(pauses).toEqual([30_000, 60_000, 600_000]);
  });

  it("ends as its run says, where that comes after all", () => {
    const keeper = lost("commit");
    keeper.write(end(keeper.slice("a"), "a", 1, active(), 25));
    expect(keeper.effects.at(-1)).toMatchObject({ kind: "granted", key: "b" });
    expect(keeper.tickets.get("a")?.outcome).toEqual(active());
  });

  it("is unknown where a person lets go of a machine that nobody could look at", () => {
    const keeper = lost("health");
    keeper.write(unlock(keeper.slice(), "ada", 40));
    expect(keeper.tickets.get("a")?.outcome).toMatchObject({ kind: "unknown", step: "health" });
    expect(keeper.tickets.get("b")?.state).toBe("begun");
  });

  const ran = (name: string | null, boots: string | null, counter = 1) =>
    observation({
      at: 6,
      counter,
      system: name,
      profile: boots === null ? null : { number: 5, system: boots, at: 0 },
    });
  it.each([
    ["took itself back", "health", {}, ran(OLD, OLD), "rolled-back"],
    ["was told to commit", "commit", {}, ran(NEW, NEW), "active"],
    ["runs the new system and boots the old one", "health", {}, ran(NEW, OLD), "unknown"],
    ["boots the new system and runs the old one", "commit", {}, ran(OLD, NEW), "needs-reboot"],
    ["runs something else", "health", {}, ran(system("third"), OLD), "unknown"],
    ["cannot be read", "health", {}, ran(null, OLD), "unknown"],
    ["never heard of it", "copy", {}, ran(OLD, OLD, 0), "failed-untouched"],
    ["was deployed to by somebody since", "health", {}, ran(OLD, OLD, 2), "unknown"],
    ["ran the same before", "commit", { system: OLD }, ran(OLD, OLD), "unknown"],
    [
      "has the profile of a method that sets it first",
      "health",
      { method: "clan" },
      ran(NEW, NEW),
      "unknown",
    ],
  ] as const)("a machine that %s", (_what, step, fields, seen, kind) => {
    const keeper = lost(step, fields);
    keeper.write(observe(keeper.slice(), seen, 21, 30));
    expect(keeper.tickets.get("a")).toMatchObject({ state: "ended", outcome: { kind } });
  });
});
