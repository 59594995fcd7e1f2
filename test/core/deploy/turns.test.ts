import { describe, expect, it } from "vitest";
import {
  ask,
  end,
  heard,
  keep,
  leave,
  lose,
  observe,
  type Owner,
  unlock,
  unreachable,
  withdraw,
} from "../../../src/core/deploy/index.ts";
import { active, asked, Keeper, observation, OLD, rolledBack, system } from "./keeper.ts";
import { random } from "./random.ts";

const OWNERS: readonly Owner[] = [
  { repository: 1, pull: 7, by: "ada" },
  { repository: 1, pull: 8, by: "bob" },
  { repository: 2, pull: 7, by: "eve" },
  { repository: 2, pull: null, by: "schedule" },
];
/** `SNOWCAT_SIMULATE` multiplies the schedules. */
const SCHEDULES = 1_000 * Number(process.env.SNOWCAT_SIMULATE ?? 1);

/** Cheaper than an expectation, which is asked some million times here. */
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** A machine that many ask for, with a model beside it that knows what must never be. */
class World {
  readonly keeper = new Keeper();
  readonly granted = new Map<string, number>();
  readonly told = new Set<string>();
  readonly #next: (below: number) => number;
  #now = 0;
  #keys = 0;
  #highest = 0;
  #given = 0;

  constructor(seed: number) {
    this.#next = random(seed);
  }

  act(): void {
    this.#now += this.#next(40_000);
    const { keeper } = this;
    const now = this.#now;
    const key = `k${this.#next(this.#keys + 1)}`;
    const owner = OWNERS[this.#next(OWNERS.length)]!;
    const ticket = keeper.tickets.get(key);
    switch (this.#next(12)) {
      case 0:
      case 1:
      case 2: {
        // One that is asked again asks for the same.
        const again = this.#next(4) === 0 && ticket !== undefined;
        const wish = again
          ? ticket
          : asked(`k${(this.#keys += 1)}`, {
              owner,
              system: system(`s${this.#next(3)}`),
              force: this.#next(4) === 0,
              purpose: this.#next(6) === 0 ? "rollback" : "deploy",
            });
        const held = keeper.keeps.get("hold");
        const { turn } = keeper.write(ask(keeper.slice(wish.key), wish, now));
        if (turn.kind === "granted") this.#grant(wish.key, turn.counter);
        if (!again && held !== undefined) must(turn.kind === "refused", "a hold refuses");
        break;
      }
      case 3:
        keeper.write(withdraw(keeper.slice(key), key, now));
        break;
      case 4:
      case 5:
        for (const { key: mine, counter } of keeper.in("begun"))
          keeper.write(
            end(
              keeper.slice(mine),
              mine,
              this.#next(5) === 0 ? (counter ?? 0) + 1 : (counter ?? 0),
              this.#next(2) === 0 ? active() : rolledBack,
              now,
            ),
          );
        break;
      case 6:
        keeper.write(lose(keeper.slice(key), key, null, now));
        break;
      case 7:
        keeper.write(
          observe(
            keeper.slice(),
            observation({
              at: now,
              system: this.#next(2) === 0 ? OLD : system(`s${this.#next(3)}`),
              counter: Math.max(0, keeper.machine.counter + this.#next(5) - 3),
            }),
            now - this.#next(60_000),
            now,
          ),
        );
        break;
      case 8:
        keeper.write(
          keep(
            keeper.slice(),
            {
              kind: this.#next(5) === 0 ? "hold" : "lock",
              owner,
              reason: null,
              run: this.#next(2) === 0 && ticket !== undefined ? ticket.run : null,
            },
            now,
          ),
        );
        break;
      case 9:
        keeper.write(unlock(keeper.slice(), owner.by, now));
        break;
      case 10:
        if (ticket !== undefined) {
          keeper.write(heard(keeper.slice(key), key, ticket.counter ?? 1, "health", now));
          if (this.#next(4) === 0) keeper.write(leave(keeper.slice(), ticket.run, now));
        }
        break;
      default:
        keeper.write(unreachable(keeper.slice(), "away", now));
    }
    this.check();
  }

  /** Whatever has happened. */
  check(): void {
    const { keeper } = this;
    for (const effect of keeper.effects.splice(0)) {
      if (effect.kind === "granted") this.#grant(effect.key, effect.counter);
      if (effect.kind === "refused" || effect.kind === "settled") {
        must(!this.told.has(effect.key), `${effect.key} is told once`);
        this.told.add(effect.key);
      }
    }
    must(keeper.machine.counter >= this.#highest, "the counter never falls");
    this.#highest = keeper.machine.counter;
    const held = [...keeper.in("begun"), ...keeper.in("lost")];
    must(held.length <= 1, "one has it");
    // Nobody waits for a machine that nobody has.
    must(held.length > 0 || keeper.in("waiting").length === 0, "nobody has it and somebody waits");
    for (const { key, counter } of held)
      must(this.granted.get(key) === counter, `${key} was told its counter`);
  }

  #grant(key: string, counter: number): void {
    const known = this.granted.get(key);
    if (known !== undefined) return must(counter === known, `${key} has one counter`);
    must(counter > this.#given, "a counter is higher than every one before");
    this.#given = counter;
    const ticket = this.keeper.tickets.get(key)!;
    // In the order of asking: nobody who asked before still waits.
    for (const waiting of this.keeper.in("waiting"))
      must(waiting.order > ticket.order, `${waiting.key} asked before ${key}`);
    const lock = this.keeper.keeps.get("lock");
    if (lock !== undefined && lock.order < ticket.order && lock.run !== ticket.run)
      must(
        lock.owner.repository === ticket.owner.repository && lock.owner.pull === ticket.owner.pull,
        `${key} is not the lock's`,
      );
    this.granted.set(key, counter);
  }

  /** Everybody who has it ends; nobody is left behind. */
  settle(): void {
    const { keeper } = this;
    for (let rounds = 0; keeper.in("waiting").length + keeper.in("begun").length > 0; rounds += 1) {
      must(rounds < 1_000, "everybody ends");
      this.#now += 1;
      for (const { key } of keeper.in("lost"))
        keeper.write(unlock(keeper.slice(key), "ada", this.#now));
      for (const { key, counter } of keeper.in("begun"))
        keeper.write(end(keeper.slice(key), key, counter ?? 0, active(), this.#now));
      this.check();
    }
  }
}

describe("any schedule of wishes, losses, locks and observations", () => {
  it("gives the machine to one at a time, in order, with counters that only rise, and leaves nobody behind", () => {
    let granted = 0;
    for (let seed = 1; seed <= SCHEDULES; seed += 1) {
      const world = new World(seed);
      try {
        for (let step = 0; step < 60; step += 1) world.act();
        world.settle();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      granted += world.granted.size;
    }
    expect(granted).toBeGreaterThan(SCHEDULES);
  });
});
