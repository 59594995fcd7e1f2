import { describe, expect, it } from "vitest";
import { fleetDrift, type SeenMachine, type TicketRow } from "../../../src/core/deploy/index.ts";
import { active, NEW, observation, OLD, rolledBack } from "./keeper.ts";

const SHA = "a".repeat(40);
const ticket = (fields: Partial<TicketRow>): TicketRow => ({
  key: "1-1/forward/web1",
  order: 1,
  run: "1-1",
  machine: "web1",
  owner: { repository: 1, pull: 5, by: "ann" },
  purpose: "deploy",
  method: "plain",
  sha: SHA,
  system: NEW,
  expected: null,
  force: false,
  state: "ended",
  counter: 1,
  before: OLD,
  step: "read-back",
  askedAt: 1,
  changedAt: 2,
  outcome: active(NEW),
  ...fields,
});
const seen = (fields: Partial<SeenMachine> = {}): SeenMachine => ({
  name: "web1",
  online: true,
  observation: observation({ at: 900, system: NEW, profile: null }),
  unreachable: null,
  open: [],
  history: [ticket({})],
  ...fields,
});
const drift = (machine: SeenMachine, merged: boolean | null, wanted: string | null = OLD) =>
  fleetDrift({
    now: 1_000,
    every: 1_000,
    repository: 1,
    machines: [machine],
    wanted: new Map(wanted === null ? [] : [["web1", { system: wanted, sha: SHA }]]),
    head: SHA,
    merged: () => merged,
  }).map(({ kind }) => kind);

describe("a fleet", () => {
  it("drifts the moment a pull request that it runs is closed, and not while it is open", () => {
    expect(drift(seen(), null)).toEqual([]);
    expect(drift(seen(), false)).toEqual(["unmerged"]);
    expect(drift(seen(), false, null)).toEqual(["unmerged"]);
    expect(drift(seen(), true)).toEqual(["behind"]);
    expect(drift(seen(), true, NEW)).toEqual([]);
  });

  it("is not judged by a machine that is being changed right now", () => {
    expect(drift(seen({ open: [ticket({ state: "begun", outcome: null })] }), false)).toEqual([]);
    expect(drift(seen({ open: [ticket({ state: "lost", outcome: null })] }), false)).toEqual([
      "unmerged",
    ]);
  });

  it("knows how a deploy ended, whatever the machine said while it was at it", () => {
    const unfinished = { counter: 1, step: "committed", since: 0 };
    const during = observation({ at: 900, system: NEW, profile: null, unfinished });
    expect(drift(seen({ observation: during }), null)).toEqual([]);
    const unknown = ticket({
      outcome: { kind: "unknown", step: "read-back", why: "?", running: null },
    });
    expect(drift(seen({ observation: during, history: [unknown, ticket({})] }), null)).toEqual([
      "unfinished",
    ]);
    // The last look came before the deploy, its own is on the way.
    const before = observation({ at: 900, system: OLD });
    const late = { observation: before, history: [ticket({ changedAt: 950 })] };
    expect(drift(seen(late), false, NEW)).toEqual([]);
    expect(drift(seen(late), false, OLD)).toEqual(["unmerged"]);
    // Somebody changed it by hand since.
    const since = observation({ at: 960, system: "/nix/store/0-other", profile: null });
    expect(drift(seen({ ...late, observation: since }), null, OLD)).toEqual(["unknown-system"]);
  });

  it("knows a deploy by the newest that stayed: what was taken back is none", () => {
    const history = [ticket({ outcome: rolledBack, system: "/nix/store/x-y" }), ticket({})];
    expect(drift(seen({ history }), false)).toEqual(["unmerged"]);
  });

  it("knows an earlier generation by the deploy that had put it there", () => {
    const history = [
      ticket({ purpose: "rollback", sha: "b".repeat(40), outcome: active(OLD) }),
      ticket({}),
      ticket({ owner: { repository: 1, pull: 4, by: "ann" }, outcome: active(OLD) }),
    ];
    const back = seen({ history, observation: observation({ at: 900, system: OLD }) });
    expect(drift(back, false, NEW)).toEqual(["unmerged"]);
    expect(drift(back, true, NEW)).toEqual(["behind"]);
    expect(drift(back, true, OLD)).toEqual([]);
  });

  it("has no pull requests of another repository", () => {
    const owner = { repository: 2, pull: 5, by: "eve" };
    expect(drift(seen({ history: [ticket({ owner })] }), false)).toEqual(["behind"]);
    expect(drift(seen({ history: [ticket({ owner })] }), false, null)).toEqual([]);
  });

  it("says of a machine that nobody can look at why", () => {
    expect(drift(seen({ observation: null, history: [], online: false }), null)).toEqual([
      "unobserved",
    ]);
    expect(drift(seen({ observation: null, history: [] }), null)).toEqual([]);
  });
});
