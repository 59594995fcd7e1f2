import { describe, expect, it } from "vitest";
import {
  lastGood,
  migrationsLeft,
  rollbackTo,
  sickOf,
  sourcesOf,
} from "../../../src/core/deploy/rollback.ts";
import { ask, end } from "../../../src/core/deploy/index.ts";
import type { MachineOutcome } from "../../../src/protocol/machine.ts";
import { active, asked, Keeper, NEW, observation, OLD, rolledBack, system } from "./keeper.ts";

const generations = [5, 4, 2].map((number) => ({ number, system: system(`g${number}`), at: 0 }));
const seen = observation({ generations, profile: generations[0]!, system: system("g5") });

describe("a rollback", () => {
  it("goes to the generation before, or to the one that is named", () => {
    expect(rollbackTo(null, seen)).toEqual({
      kind: "generation",
      number: 4,
      system: system("g4"),
    });
    expect(rollbackTo(2, seen)).toMatchObject({ number: 2, system: system("g2") });
    // Where it boots something else than it runs, the same number is a change.
    expect(rollbackTo(5, { ...seen, system: OLD })).toMatchObject({ number: 5 });
  });

  it("goes nowhere where there is none, or where it is already", () => {
    expect(rollbackTo(3, seen)).toEqual({
      kind: "refused",
      why: "It has no generation 3. There are: 5, 4, 2.",
    });
    expect(rollbackTo(5, seen).kind).toBe("refused");
    expect(rollbackTo(null, { ...seen, profile: generations[2]! }).kind).toBe("refused");
    expect(rollbackTo(null, { ...seen, profile: null }).kind).toBe("refused");
  });

  it("passes over what was taken back before, though a tool has left it a generation", () => {
    const sick = new Set([system("g4")]);
    expect(rollbackTo(null, seen, sick)).toMatchObject({ number: 2, system: system("g2") });
    // By its number it is what somebody wants.
    expect(rollbackTo(4, seen, sick)).toMatchObject({ number: 4 });
    const keeper = new Keeper();
    const deploy = (key: string, name: string, good: boolean, counter: number) => {
      keeper.write(ask(keeper.slice(key), asked(key, { system: name, force: true }), counter));
      keeper.write(end(keeper.slice(key), key, counter, good ? active(name) : rolledBack, counter));
    };
    deploy("a", OLD, false, 1);
    deploy("b", NEW, false, 2);
    deploy("c", NEW, true, 3);
    expect(sickOf([...keeper.tickets.values()])).toEqual(new Set([OLD]));
  });

  it("is the machine's to find where nobody has looked", () => {
    expect(rollbackTo(null, null)).toEqual({ kind: "generation", number: null, system: null });
  });

  it("has a last good deploy: one that was active and does not run now", () => {
    const keeper = new Keeper();
    const deploy = (key: string, name: string, good: boolean, counter: number) => {
      keeper.write(ask(keeper.slice(key), asked(key, { system: name, force: true }), counter));
      keeper.write(end(keeper.slice(key), key, counter, good ? active(name) : rolledBack, counter));
    };
    deploy("a", OLD, true, 1);
    deploy("b", NEW, true, 2);
    deploy("c", system("bad"), false, 3);
    const history = [...keeper.tickets.values()];
    expect(lastGood(history, NEW)?.system).toBe(OLD);
    expect(lastGood(history, system("bad"))?.system).toBe(NEW);
    expect(lastGood([], NEW)).toBeNull();
  });

  it("of a system that may have migrated its data says that it stays so", () => {
    const warnings = [{ rule: "migration", message: "inventree-server.service may migrate" }];
    const of = (outcome: MachineOutcome, back: MachineOutcome | null = null, warned = warnings) =>
      migrationsLeft([{ machine: "web1", plan: { warnings: warned }, target: { outcome, back } }]);
    expect(of(rolledBack)).toEqual([
      "web1 was taken back from a system that may have migrated its data: what was migrated stays migrated.",
    ]);
    expect(of(active(NEW), active(OLD))).toHaveLength(1);
    expect(of(active(NEW))).toEqual([]);
    expect(of(rolledBack, null, [])).toEqual([]);
  });

  it("of sources goes to the commit that this repository put there last, by what came of it", () => {
    const keeper = new Keeper();
    const deploy = (key: string, came: string, sha: string, counter: number) => {
      const wish = asked(key, { system: null, sha, method: "krops" });
      keeper.write(ask(keeper.slice(key), wish, counter));
      keeper.write(end(keeper.slice(key), key, counter, active(came), counter));
    };
    deploy("a", OLD, "a".repeat(40), 1);
    deploy("b", OLD, "b".repeat(40), 2);
    deploy("c", NEW, "c".repeat(40), 3);
    const history = [...keeper.tickets.values()];
    const [{ owner }] = history as [(typeof history)[0]];
    expect(sourcesOf(history, OLD, owner.repository)).toBe("b".repeat(40));
    expect(sourcesOf(history, OLD, owner.repository + 1)).toBeNull();
    expect(sourcesOf(history, null, owner.repository)).toBeNull();
    expect(lastGood(history, NEW)).toEqual({ system: OLD, sha: "b".repeat(40) });
  });
});
