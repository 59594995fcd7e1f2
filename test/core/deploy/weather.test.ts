import { describe, expect, it } from "vitest";
import {
  ask,
  end,
  heard,
  lose,
  type MachineEffect,
  needs,
  newRollout,
  observe,
  rolloutConclusion,
  type RolloutEvent,
  type RolloutSlice,
  stepRollout,
  withdraw,
} from "../../../src/core/deploy/index.ts";
import type { DeployStep, MachineOutcome } from "../../../src/protocol/machine.ts";
import { active, asked, Keeper, observation, OLD, rolledBack, system } from "./keeper.ts";
import { random } from "./random.ts";

/** `SNOWCAT_SIMULATE` multiplies the schedules. */
const SCHEDULES = 600 * Number(process.env.SNOWCAT_SIMULATE ?? 1);
const MACHINES = ["a", "b", "c", "d", "e"];

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

type Job = {
  run: string;
  machine: string;
  key: string;
  counter: number;
  wanted: string;
  step: DeployStep;
  state: "running" | "over" | "dead";
};
/** What really runs on a machine, and the fence on it. */
type Real = { system: string; profile: string; counter: number };

/**
 * Rollouts of two repositories over the same machines: calls that are not answered, words that come late or twice, runners
 * that die at any step. Beside it, what really happens on the machines.
 */
class Weather {
  readonly #next: (below: number) => number;
  readonly keepers = new Map(MACHINES.map((name) => [name, new Keeper()]));
  readonly real = new Map<string, Real>(
    MACHINES.map((name) => [name, { system: OLD, profile: OLD, counter: 0 }]),
  );
  readonly rollouts = new Map<string, RolloutSlice>();
  readonly jobs: Job[] = [];
  readonly #words: { machine: string; effect: MachineEffect }[] = [];
  readonly #begun = new Map<string, number>();
  #now = 0;

  constructor(seed: number) {
    this.#next = random(seed);
    for (const run of ["r1", "r2"]) {
      const pick = MACHINES.filter(() => this.#next(4) > 0);
      const stages = 1 + this.#next(3);
      this.rollouts.set(
        run,
        newRollout(
          Array.from({ length: stages }, (_, n) => ({
            label: `s${n}`,
            parallel: 1 + this.#next(3),
            maxFailures: this.#next(3),
            pauseSeconds: this.#next(3),
          })),
          pick.map((machine) => ({
            machine,
            stage: this.#next(stages),
            system: system(run),
            before: OLD,
          })),
          { onFailure: this.#next(2) === 0 ? "stop" : "take-back", confirm: null },
        ),
      );
    }
  }

  event(run: string, event: RolloutEvent): void {
    const slice = this.rollouts.get(run)!;
    const was = slice.rollout;
    const { rollout, targets } = stepRollout(slice, event, this.#now);
    const changed = new Map(targets.map((target) => [target.machine, target]));
    this.rollouts.set(run, {
      ...slice,
      rollout,
      targets: slice.targets.map((target) => changed.get(target.machine) ?? target),
    });
    must(was.phase !== "finished" || rollout.phase === "finished", "finished is for good");
    must(was.stopped === null || rollout.stopped === was.stopped, "the first reason stays");
    this.#check(this.rollouts.get(run)!);
  }

  #check({ rollout, stages, targets }: RolloutSlice): void {
    const open = new Set(["asking", "queued", "granted", "deploying", "lost", "withdrawing"]);
    const flying = targets.filter(({ state }) => open.has(state));
    for (const stage of stages) {
      const here = flying.filter((target) => target.stage === stage.n);
      must(here.length <= stage.parallel, `${stage.label} has too many at once`);
      if (here.length === 0 || here[0]?.direction === "back") continue;
      for (const earlier of stages.slice(0, stage.n)) {
        const before = targets.filter((target) => target.stage === earlier.n);
        must(
          before.every(({ outcome }) => outcome !== null),
          "an earlier stage is not over",
        );
        const bad = before.filter(({ outcome }) => outcome?.kind !== "active").length;
        must(bad <= earlier.maxFailures, "too many of an earlier stage have failed");
      }
    }
    if (rollout.stopped !== null)
      must(!targets.some(({ state }) => state === "waiting"), "stopped, and somebody waits");
  }

  act(fair: boolean): void {
    this.#now += this.#next(1_500);
    const run = this.#next(2) === 0 ? "r1" : "r2";
    switch (this.#next(8)) {
      case 0:
      case 1:
      case 2:
        return this.#perform(run, fair);
      case 3:
        return this.#deliver(fair);
      case 4:
      case 5:
        return this.#work(fair);
      case 6:
        return this.event(run, { kind: "tick" });
      default:
        if (!fair && this.#next(60) === 0) this.event(run, { kind: "cancel", by: "ada" });
    }
  }

  #keep(machine: string, step: Parameters<Keeper["write"]>[0]): void {
    const keeper = this.keepers.get(machine)!;
    keeper.write(step);
    for (const effect of keeper.effects.splice(0)) this.#words.push({ machine, effect });
  }

  /** One of the things that are due; its answer may not come. */
  #perform(run: string, fair: boolean): void {
    const slice = this.rollouts.get(run)!;
    const due = needs(slice, run, fair || this.#next(5) === 0);
    const need = due[this.#next(Math.max(1, due.length))];
    if (need === undefined || need.kind === "wake") return;
    const { machine, key } = need;
    const keeper = this.keepers.get(machine)!;
    const heardOf = fair || this.#next(4) > 0;
    const now = this.#now;
    switch (need.kind) {
      case "ask": {
        const back = key.includes("/back/");
        const step = ask(
          keeper.slice(key),
          asked(key, {
            run: run as never,
            machine,
            owner: { repository: run === "r1" ? 1 : 2, pull: 1, by: run },
            system: back ? OLD : system(run),
            purpose: back ? "rollback" : "deploy",
          }),
          now,
        );
        this.#keep(machine, step);
        const { turn } = step;
        if (!heardOf) return;
        if (turn.kind === "granted") this.event(run, { ...turn, machine });
        else if (turn.kind === "waiting") this.event(run, { kind: "queued", machine });
        else if (turn.kind === "refused") this.event(run, { ...turn, machine });
        else throw new Error(`${key} asks again for what has ended`);
        return;
      }
      case "withdraw": {
        const step = withdraw(keeper.slice(key), key, now);
        this.#keep(machine, step);
        if (!heardOf) return;
        return this.event(
          run,
          step.begun === null
            ? { kind: "withdrawn", machine }
            : { kind: "granted", machine, counter: step.begun },
        );
      }
      case "deploy": {
        const { counter } = need;
        const times = (this.#begun.get(key) ?? 0) + 1;
        this.#begun.set(key, times);
        must(times === 1, `${key} is deployed twice`);
        const wanted = need.direction === "back" ? OLD : system(run);
        this.jobs.push({ run, machine, key, counter, wanted, step: "connect", state: "running" });
        return this.event(run, { kind: "begun", machine, counter });
      }
      case "lose":
        return this.#keep(machine, lose(keeper.slice(key), key, need.step, now));
      case "end":
        this.#keep(machine, end(keeper.slice(key), key, need.counter, need.outcome, now));
        if (heardOf) this.event(run, { kind: "told", machine });
    }
  }

  /** What a machine's object has to say, in any order, now and then twice. */
  #deliver(fair: boolean): void {
    const at = this.#next(Math.max(1, this.#words.length));
    const word = this.#words[at];
    if (word === undefined) return;
    const { machine, effect } = word;
    if (fair || this.#next(4) > 0) this.#words.splice(at, 1);
    switch (effect.kind) {
      case "granted":
        return this.event(effect.run, { kind: "granted", machine, counter: effect.counter });
      case "refused":
        return this.event(effect.run, { kind: "refused", machine, refusal: effect.refusal });
      case "settled":
        return this.event(effect.run, { kind: "settled", machine, outcome: effect.outcome });
      case "ask-run":
        return;
      case "observe": {
        const real = this.real.get(machine)!;
        const busy = this.jobs.find(
          (job) =>
            job.machine === machine && job.counter === real.counter && job.state === "running",
        );
        return this.#keep(
          machine,
          observe(
            this.keepers.get(machine)!.slice(),
            observation({
              at: this.#now,
              system: real.system,
              profile: { number: 1, system: real.profile, at: 0 },
              counter: real.counter,
              unfinished:
                busy === undefined ? null : { counter: busy.counter, step: busy.step, since: 0 },
            }),
            this.#now,
            this.#now,
          ),
        );
      }
    }
  }

  /** A runner goes on with a deploy, step by step, or dies; the machine's watchdog takes back what was not committed. */
  #work(fair: boolean): void {
    const running = this.jobs.filter(({ state }) => state === "running");
    const job = running[this.#next(Math.max(1, running.length))];
    if (job === undefined) return;
    const real = this.real.get(job.machine)!;
    if (!fair && this.#next(12) === 0) return this.#die(job, real);
    const outcome = this.#advance(job, real);
    if (fair || this.#next(3) > 0)
      this.event(job.run, {
        kind: "step",
        machine: job.machine,
        counter: job.counter,
        step: job.step,
      });
    if (this.#next(2) === 0)
      this.#keep(
        job.machine,
        heard(
          this.keepers.get(job.machine)!.slice(job.key),
          job.key,
          job.counter,
          job.step,
          this.#now,
        ),
      );
    if (outcome === null) return;
    job.state = "over";
    const { run, machine, counter } = job;
    this.event(run, { kind: "ended", machine, counter, outcome });
  }

  #advance(job: Job, real: Real): MachineOutcome | null {
    switch (job.step) {
      case "connect":
        must(job.counter > real.counter, `${job.machine}: an old counter acts`);
        real.counter = job.counter;
        job.step = "begin";
        return null;
      case "begin":
        job.step = "activate";
        return null;
      case "activate":
        real.system = job.wanted;
        job.step = "health";
        return null;
      case "health":
        if (this.#next(4) === 0) {
          real.system = real.profile;
          return { ...rolledBack, running: real.system };
        }
        job.step = "commit";
        return null;
      default:
        real.profile = job.wanted;
        return active(job.wanted);
    }
  }

  #die(job: Job, real: Real): void {
    job.state = "dead";
    // The commit may have been on its way.
    if (job.step === "commit" && this.#next(2) === 0) real.profile = job.wanted;
    real.system = real.profile;
    const { run, machine, counter } = job;
    this.event(run, { kind: "lost", machine, counter, why: "its lease ran out" });
  }

  /** The weather clears: everybody comes to an end, and what was said is what is. */
  settle(): void {
    const open = () =>
      [...this.rollouts].some(
        ([run, slice]) => slice.rollout.phase !== "finished" || needs(slice, run).length > 0,
      );
    for (let rounds = 0; open(); rounds += 1) {
      must(rounds < 20_000, `nobody is left behind: ${this.#story()}`);
      this.act(true);
    }
    const last = new Map<string, number>();
    for (const keeper of this.keepers.values())
      must(
        [...keeper.tickets.values()].every(({ state }) => state === "ended"),
        "a ticket has not ended",
      );
    for (const [run, { targets, rollout }] of this.rollouts) {
      const conclusion = rolloutConclusion({ rollout, targets, stages: [] });
      const all = targets.length > 0 && targets.every(({ outcome }) => outcome?.kind === "active");
      must(
        (conclusion === "success") === (all && rollout.stopped === null),
        `${run} ${conclusion}`,
      );
      for (const { machine, counter, outcome, back } of targets) {
        if (counter === null || counter < (last.get(machine) ?? 0)) continue;
        last.set(machine, counter);
        const said = back ?? outcome;
        const real = this.real.get(machine)!;
        if (real.counter !== counter || said === null) continue;
        if (said.kind === "active")
          must(
            real.system === said.system && real.profile === said.system,
            `${machine} is said to be active`,
          );
        if (said.kind === "rolled-back" || said.kind === "failed-untouched")
          must(
            said.running === null || real.system === said.running,
            `${machine} runs something else`,
          );
      }
    }
  }

  #story(): string {
    return JSON.stringify(
      [...this.rollouts].map(([run, { rollout, targets }]) => [
        run,
        rollout.phase,
        targets.map(({ machine, state }) => `${machine} ${state}`),
      ]),
    );
  }
}

describe("rollouts of two repositories in bad weather", () => {
  it("end each machine once, in their stages, and say of it what is", () => {
    let successes = 0;
    let losses = 0;
    for (let seed = 1; seed <= SCHEDULES; seed += 1) {
      const weather = new Weather(seed);
      try {
        for (let step = 0; step < 150; step += 1) weather.act(false);
        weather.settle();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      for (const slice of weather.rollouts.values()) {
        if (rolloutConclusion(slice) === "success") successes += 1;
        if (slice.rollout.stopped?.kind === "lost") losses += 1;
      }
    }
    // Neither has the weather kept everything from happening, nor was it fair.
    expect(successes).toBeGreaterThan(SCHEDULES / 20);
    expect(losses).toBeGreaterThan(SCHEDULES / 20);
  });
});
