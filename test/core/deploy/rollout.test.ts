import { describe, expect, it } from "vitest";
import {
  needs,
  newRollout,
  type Planned,
  rolloutConclusion,
  type RolloutEvent,
  type RolloutSlice,
  type StageRow,
  stepRollout,
} from "../../../src/core/deploy/index.ts";
import type { MachineOutcome } from "../../../src/protocol/machine.ts";
import { active, NEW, OLD, rolledBack } from "./keeper.ts";

const stage = (label: string, fields: Partial<StageRow> = {}): Omit<StageRow, "n"> => ({
  label,
  parallel: 1,
  maxFailures: 0,
  pauseSeconds: 0,
  ...fields,
});
const planned = (...stages: string[][]): Planned[] =>
  stages.flatMap((machines, n) =>
    machines.map((machine) => ({ machine, stage: n, system: NEW, before: OLD })),
  );

/** A rollout whose rows are kept, and what becomes of its machines. */
class Played {
  slice: RolloutSlice;
  now = 1_000;
  #counter = 0;

  constructor(
    stages: Omit<StageRow, "n">[],
    machines: Planned[],
    options: Partial<Parameters<typeof newRollout>[2]> = {},
  ) {
    this.slice = newRollout(stages, machines, { onFailure: "stop", confirm: null, ...options });
  }

  step(event: RolloutEvent): this {
    const { rollout, targets } = stepRollout(this.slice, event, this.now);
    const changed = new Map(targets.map((target) => [target.machine, target]));
    this.slice = {
      ...this.slice,
      rollout,
      targets: this.slice.targets.map((target) => changed.get(target.machine) ?? target),
    };
    return this;
  }

  /** The machine gets its turn and its job. */
  begin(machine: string): this {
    const counter = (this.#counter += 1);
    return this.step({ kind: "granted", machine, counter }).step({
      kind: "begun",
      machine,
      counter,
    });
  }

  end(machine: string, outcome: MachineOutcome): this {
    const { counter } = this.target(machine);
    this.step({ kind: "ended", machine, counter: counter ?? 0, outcome });
    return this.step({ kind: "told", machine });
  }

  target(machine: string) {
    return this.slice.targets.find((target) => target.machine === machine)!;
  }

  get needs(): string[] {
    return needs(this.slice, "run").map(
      (need) => `${need.kind}${"machine" in need ? ` ${need.machine}` : ""}`,
    );
  }

  get states(): string {
    return this.slice.targets.map(({ machine, state }) => `${machine} ${state}`).join(", ");
  }

  get conclusion() {
    return rolloutConclusion(this.slice);
  }
}

const web = () =>
  new Played(
    [stage("tag:canary"), stage("tag:web", { parallel: 2 })],
    planned(["canary"], ["w1", "w2", "w3"]),
  );

describe("a rollout", () => {
  it("goes through its stages, as many machines at once as each allows", () => {
    const played = web();
    expect(played.needs).toEqual(["ask canary"]);
    played.begin("canary");
    expect(played.needs).toEqual([]);
    played.end("canary", active());
    expect(played.needs).toEqual(["ask w1", "ask w2"]);
    played.begin("w2").end("w2", active());
    expect(played.states).toBe("canary ended, w1 asking, w2 ended, w3 asking");
    played.begin("w1").end("w1", active());
    expect(played.conclusion).toBeNull();
    played.begin("w3").end("w3", active());
    expect(played.slice.rollout.phase).toBe("finished");
    expect(played.conclusion).toBe("success");
  });

  it("stops at a canary that was taken back, and touches nothing else", () => {
    const played = web().begin("canary").end("canary", rolledBack);
    expect(played.states).toBe("canary ended, w1 skipped, w2 skipped, w3 skipped");
    expect(played.needs).toEqual([]);
    expect(played.slice.rollout).toMatchObject({
      phase: "finished",
      stopped: {
        kind: "failures",
        why: "tag:canary: canary rolled back (health: it does not answer); 0 may fail",
      },
    });
    expect(played.conclusion).toBe("failure");
  });

  it("goes on where so many may fail, and is no success", () => {
    const played = new Played(
      [stage("tag:web", { maxFailures: 1 }), stage("rest")],
      planned(["w1", "w2"], ["r1"]),
    );
    played.begin("w1").end("w1", rolledBack).begin("w2").end("w2", active());
    expect(played.needs).toEqual(["ask r1"]);
    played.begin("r1").end("r1", active());
    expect(played.conclusion).toBe("failure");
  });

  it("pauses between stages", () => {
    const played = new Played(
      [stage("a", { pauseSeconds: 60 }), stage("b")],
      planned(["a1"], ["b1"]),
    );
    played.begin("a1").end("a1", active());
    expect(needs(played.slice, "run")).toEqual([{ kind: "wake", at: 61_000 }]);
    played.now = 60_999;
    expect(played.step({ kind: "tick" }).needs).toEqual(["wake"]);
    played.now = 61_000;
    expect(played.step({ kind: "tick" }).needs).toEqual(["ask b1"]);
  });

  it("takes back what is done, the last first, where the policy says so", () => {
    const played = new Played([stage("all")], planned(["a", "b", "c"]), { onFailure: "take-back" });
    played.begin("a").end("a", active()).begin("b").end("b", active());
    played.begin("c").end("c", rolledBack);
    expect(needs(played.slice, "run")).toEqual([{ kind: "ask", machine: "b", key: "run/back/b" }]);
    played.begin("b").end("b", active(OLD));
    // One that cannot go back keeps no other from it.
    played.step({
      kind: "refused",
      machine: "a",
      refusal: { code: "held", why: "the database is moved" },
    });
    expect(played.slice.rollout.phase).toBe("finished");
    expect(played.target("a")).toMatchObject({ outcome: active(), back: { kind: "held" } });
    expect(played.target("b")).toMatchObject({ outcome: active(), back: active(OLD) });
    expect(played.conclusion).toBe("failure");
  });

  it("stops when a machine is lost; nothing goes back, and what the machine says is its end", () => {
    const played = new Played([stage("all", { maxFailures: 3 })], planned(["a", "b", "c"]), {
      onFailure: "take-back",
    });
    played.begin("a").end("a", active()).begin("b");
    played.step({ kind: "step", machine: "b", counter: 2, step: "activate" });
    played.step({ kind: "lost", machine: "b", counter: 2, why: "its lease ran out" });
    expect(needs(played.slice, "run")).toEqual([
      { kind: "lose", machine: "b", key: "run/forward/b", step: "activate" },
    ]);
    played.step({ kind: "settled", machine: "b", outcome: active() });
    expect(played.states).toBe("a ended, b ended, c skipped");
    expect(played.needs).toEqual([]);
    expect(played.slice.rollout.stopped?.kind).toBe("lost");
    expect(played.conclusion).toBe("action_required");
  });

  it("is ended by somebody: what has begun is brought to its end, what waits is withdrawn", () => {
    const played = new Played([stage("all", { parallel: 3 })], planned(["a", "b", "c", "d"]));
    played.begin("a").step({ kind: "queued", machine: "b" });
    played.step({ kind: "granted", machine: "c", counter: 9 });
    played.step({ kind: "cancel", by: "ada" });
    expect(played.states).toBe("a deploying, b withdrawing, c ending, d skipped");
    expect(played.needs).toEqual(["withdraw b", "end c"]);
    // Its turn came before the withdrawal was heard of.
    played.step({ kind: "granted", machine: "b", counter: 10 });
    expect(played.needs).toEqual(["end b", "end c"]);
    played.step({ kind: "told", machine: "b" }).step({ kind: "told", machine: "c" });
    expect(played.slice.rollout.phase).toBe("rolling");
    played.end("a", active());
    expect(played.conclusion).toBe("failure");
  });

  it("begins nothing more when what it was begun by does not hold: whose turn has come has begun nothing", () => {
    const played = web().begin("canary").end("canary", active()).begin("w1");
    played.step({ kind: "granted", machine: "w2", counter: 9 });
    played.step({ kind: "objected", why: "somebody has pushed since" });
    expect(played.states).toBe("canary ended, w1 deploying, w2 ending, w3 skipped");
    expect(played.target("w2").outcome).toMatchObject({ kind: "failed-untouched", step: "begin" });
    expect(played.needs).toEqual(["end w2"]);
    played.end("w1", active()).step({ kind: "told", machine: "w2" });
    expect(played.slice.rollout).toMatchObject({
      phase: "finished",
      stopped: { kind: "refused", why: "somebody has pushed since" },
    });
    expect(played.conclusion).toBe("failure");
  });

  it("waits for the very person who asked, and not for ever", () => {
    const confirm = { by: 1, until: 5_000 };
    const played = new Played([stage("all")], planned(["a"]), { confirm });
    expect(played.needs).toEqual(["wake"]);
    expect(played.step({ kind: "confirmed", by: 2 }).needs).toEqual(["wake"]);
    expect(played.step({ kind: "confirmed", by: 1 }).needs).toEqual(["ask a"]);
    const late = new Played([stage("all")], planned(["a"]), { confirm });
    late.now = 5_000;
    expect(late.step({ kind: "tick" }).conclusion).toBe("action_required");
    expect(late.step({ kind: "confirmed", by: 1 }).needs).toEqual([]);
  });

  it("hears nothing from attempts with another counter", () => {
    const played = web().begin("canary");
    played.step({ kind: "ended", machine: "canary", counter: 7, outcome: active() });
    played.step({ kind: "lost", machine: "canary", counter: 7, why: "late" });
    expect(played.target("canary").state).toBe("deploying");
    played.end("canary", rolledBack);
    played.step({ kind: "ended", machine: "canary", counter: 1, outcome: active() });
    expect(played.conclusion).toBe("failure");
  });

  it("of no machine is no success", () => {
    const played = new Played([stage("tag:none")], []);
    expect(played.slice.rollout.phase).toBe("finished");
    expect(played.conclusion).toBe("action_required");
  });
});
