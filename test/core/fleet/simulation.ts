import {
  assign,
  deadline,
  type FleetJob,
  type FleetRunner,
  type JobEvent,
  MAX_LOSSES,
  nextDue,
  step,
} from "../../../src/core/fleet/index.ts";
import { LEASE } from "../../../src/protocol/control.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { type Agent, newAgents } from "./agents.ts";

const SUCCEEDED: Verdict = { kind: "succeeded", reused: false };

/**
 * Three runners and a Fleet over core's functions, with everything that can come between: cut sockets, dead agents, an
 * absent control plane, late alarms, offers whose Run does not answer, cancels, declines. A choice is a number; the
 * same numbers are the same story.
 */
export class Simulation {
  now = 1_000_000;
  enqueued = 0;
  readonly verdicts = new Map<string, { attempt: number; verdict: Verdict }[]>();
  /** Verdicts that came from an attempt after a newer one had been offered. */
  readonly stale: string[] = [];
  readonly #jobs = new Map<string, FleetJob>();
  readonly #agents: Agent[];
  readonly #homes = new Map<string, string>();
  readonly #newest = new Map<string, number>();
  readonly #offeredAt = new Map<string, number>();
  /** Offers whose Run has not answered yet. */
  #unsent: (() => void)[] = [];

  constructor() {
    this.#agents = newAgents();
    for (const agent of this.#agents) this.#connect(agent);
  }

  act(choice: number): void {
    const agent = this.#agents[choice % 3];
    if (agent === undefined) return;
    switch (Math.floor(choice / 3) % 19) {
      case 0:
      case 1:
        return this.#enqueue(choice);
      case 2:
      case 3:
      case 4:
        return agent.inbox.shift()?.();
      case 5:
      case 6:
      case 7:
        return agent.connected ? agent.outbox.shift()?.() : undefined;
      case 8:
        return this.#work(agent, choice);
      case 9:
        return this.#cut(agent);
      case 10:
        return agent.connected ? this.#renew(agent) : this.#connect(agent);
      case 11:
        return this.#die(agent);
      case 12:
        this.now += choice % 40_000;
        return;
      case 13:
        return this.#alarm();
      case 14:
        return this.#restart();
      case 15:
        return this.#cancel(choice);
      case 16:
      case 17:
        return this.#unsent.shift()?.();
      case 18:
        return choice % 4 === 0 ? this.#wipe(agent) : undefined;
    }
  }

  /** Slots and states hold at every moment. */
  check(): void {
    for (const job of this.#jobs.values()) {
      if (job.state === "done" && !this.verdicts.has(job.job))
        throw new Error(`${job.job} is over without a verdict`);
      if (["offered", "accepted", "running"].includes(job.state) && job.runner === null)
        throw new Error(`${job.job} is ${job.state} at nobody`);
    }
    for (const job of this.#jobs.values()) this.#checkJob(job);
    const due = nextDue([...this.#jobs.values()], this.#byName(), this.#homes, this.now);
    const running = [...this.#jobs.values()].some((job) => job.state === "running");
    if (running && due === null)
      throw new Error("a running job has no deadline: a lost runner would never be noticed");
  }

  #checkJob(job: FleetJob): void {
    if (job.cancel !== null && (job.state === "queued" || job.state === "suspect"))
      throw new Error(`${job.job} is cancelled and would be offered again`);
    if (job.state !== "done" && job.losses >= MAX_LOSSES)
      throw new Error(`${job.job} was lost ${job.losses} times`);
    const leaseUntil =
      this.#agents.find((agent) => agent.runner.runner === job.runner)?.runner.leaseUntil ?? 0;
    const at = deadline(job, leaseUntil);
    if (
      (job.state === "offered" || job.state === "accepted") &&
      at !== null &&
      at > Math.max((this.#offeredAt.get(job.job) ?? 0) + LEASE.start, leaseUntil)
    ) {
      throw new Error(`${job.job} may be ${job.state} for too long`);
    }
  }

  /** All is well from here on, but for one runner that never comes back: everything must come to its end. */
  settle(): void {
    const gone = this.#agents[2];
    if (gone === undefined) return;
    this.#cut(gone);
    for (
      let round = 0;
      round < 400 && [...this.#jobs.values()].some((job) => job.state !== "done");
      round += 1
    ) {
      for (const send of this.#unsent.splice(0)) send();
      for (const agent of this.#agents) {
        if (agent === gone) continue;
        if (!agent.connected) this.#connect(agent);
        else this.#renew(agent);
        for (
          let steps = 0;
          steps < 50 && (agent.inbox.length > 0 || agent.outbox.length > 0);
          steps += 1
        ) {
          agent.inbox.shift()?.();
          agent.outbox.shift()?.();
        }
        for (const held of agent.holds.values())
          if (held.state === "running") this.#end(agent, held);
      }
      this.now += 5_000;
      this.#alarm();
    }
  }

  #enqueue(choice: number): void {
    if (this.#jobs.size > 40) return;
    this.enqueued += 1;
    const job = `${1 + (choice % 3)}-${this.enqueued}.0`;
    this.#jobs.set(job, {
      job,
      repository: 1 + (choice % 3),
      pool: "trusted",
      system: "x86_64-linux",
      features: choice % 7 === 0 ? ["kvm"] : [],
      prefer: choice % 5 === 0 ? "r1" : null,
      exchange: null,
      machines: [],
      once: false,
      pin: choice % 5 === 0 ? `${1 + (choice % 3)}-1 x86_64-linux` : null,
      queuedAt: this.now,
      state: "queued",
      attempt: 0,
      runner: null,
      since: this.now,
      losses: 0,
      declines: 0,
      notBefore: 0,
      avoid: null,
      cancel: null,
      digest: null,
    });
    this.#dispatch();
  }

  #apply(id: string, event: JobEvent): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    const next = step(job, event, this.now);
    this.#jobs.set(id, next.job);
    for (const effect of next.effects) {
      switch (effect.kind) {
        case "forward":
          this.verdicts.set(id, [...(this.verdicts.get(id) ?? []), effect]);
          break;
        case "cancel":
        case "forget": {
          const { attempt, kind } = effect;
          this.#tell(effect.runner, (agent) => {
            const held = agent.holds.get(id);
            if (held?.attempt !== attempt) return;
            if (kind === "forget") agent.holds.delete(id);
            else this.#end(agent, held, { kind: "cancelled", by: "somebody" });
          });
          break;
        }
        case "tell-started":
        case "tell-adrift":
          break;
      }
    }
  }

  #dispatch(): void {
    for (const { job, runner, homes } of assign(
      [...this.#jobs.values()],
      [...this.#byName().values()],
      new Map(),
      this.#homes,
      this.now,
    )) {
      for (const pin of homes) this.#homes.set(pin, runner);
      const before = this.#jobs.get(job);
      if (before?.state === "suspect" && before.runner === runner)
        throw new Error(`${job} is offered to the runner that may still have it`);
      this.#apply(job, { kind: "offer", runner });
      const attempt = this.#jobs.get(job)?.attempt ?? 0;
      if (attempt <= (this.#newest.get(job) ?? 0))
        throw new Error(`${job}: attempt ${attempt} was offered before`);
      this.#newest.set(job, attempt);
      this.#unsent.push(() => this.#send(job, attempt, runner));
    }
  }

  #send(job: string, attempt: number, runner: string): void {
    this.#apply(job, { kind: "sent" });
    if (this.#jobs.get(job)?.state !== "offered") return;
    this.#offeredAt.set(job, this.now);
    const there = this.#tell(runner, (agent) => {
      const taken = agent.holds.size < agent.runner.slots && !agent.holds.has(job);
      if (taken) agent.holds.set(job, { attempt, state: "running", verdict: null });
      agent.outbox.push(() =>
        this.#apply(
          job,
          taken
            ? { kind: "accept", attempt, runner }
            : { kind: "decline", attempt, runner, reason: "full" },
        ),
      );
      if (taken) agent.outbox.push(() => this.#apply(job, { kind: "started", attempt, runner }));
    });
    if (!there) this.#apply(job, { kind: "absent", runner });
  }

  #work(agent: Agent, choice: number): void {
    const running = [...agent.holds.values()].filter((held) => held.state === "running");
    const held = running[choice % Math.max(1, running.length)];
    if (held)
      this.#end(
        agent,
        held,
        choice % 6 === 0 ? { kind: "infrastructure", message: "broken", logTail: "" } : SUCCEEDED,
      );
  }

  #end(
    agent: Agent,
    held: { attempt: number; state: string; verdict: Verdict | null },
    verdict: Verdict = SUCCEEDED,
  ): void {
    if (held.verdict !== null) return;
    held.verdict = verdict;
    held.state = "ended";
    this.#say(agent, held);
  }

  /** Kept frames: said, and said again after each reconnection, until the Fleet has it. */
  #say(agent: Agent, held: { attempt: number; verdict: Verdict | null }): void {
    const job = [...agent.holds].find(([, each]) => each === held)?.[0];
    const { verdict, attempt } = held;
    if (job === undefined || verdict === null) return;
    agent.outbox.push(() => {
      const before = this.verdicts.get(job)?.length ?? 0;
      this.#apply(job, {
        kind: "finished",
        attempt,
        runner: agent.runner.runner,
        verdict,
        digest: JSON.stringify(verdict),
      });
      const counted = (this.verdicts.get(job)?.length ?? 0) > before;
      if (counted && attempt < (this.#newest.get(job) ?? 0)) this.stale.push(`${job}/${attempt}`);
      if (agent.holds.get(job) === held) agent.holds.delete(job);
      this.#dispatch();
    });
  }

  #tell(runner: string, what: (agent: Agent) => void): boolean {
    const agent = this.#agents.find((each) => each.runner.runner === runner);
    if (agent === undefined || !agent.connected) return false;
    agent.inbox.push(() => what(agent));
    return true;
  }

  #cut(agent: Agent): void {
    if (!agent.connected) return;
    agent.connected = false;
    agent.inbox = [];
  }

  #connect(agent: Agent): void {
    agent.connected = true;
    agent.runner = { ...agent.runner, online: true, leaseUntil: this.now + LEASE.duration };
    this.#compare(agent, true);
    this.#dispatch();
  }

  #renew(agent: Agent): void {
    agent.runner = { ...agent.runner, leaseUntil: this.now + LEASE.duration };
    this.#compare(agent, false);
  }

  #compare(agent: Agent, hello: boolean): void {
    const runner = agent.runner.runner;
    for (const [job, { attempt }] of agent.holds)
      this.#apply(job, { kind: "held", attempt, runner });
    for (const job of this.#jobs.values()) {
      if (
        job.runner !== runner ||
        agent.holds.get(job.job)?.attempt === job.attempt ||
        (job.state === "offered" && !hello)
      )
        continue;
      // What is declined or forgotten may still be on its way; kept frames go first.
      if (agent.outbox.length === 0) this.#apply(job.job, { kind: "absent", runner });
    }
    for (const job of this.#jobs.values()) {
      if (job.runner !== runner) continue;
      const holds = agent.holds.get(job.job)?.attempt === job.attempt;
      if (holds && (job.state === "suspect" || job.state === "queued"))
        throw new Error(`${job.job} is held by ${runner} and not adopted again`);
      const has = ["accepted", "running", "suspect", ...(hello ? ["offered"] : [])].includes(
        job.state,
      );
      if (!holds && has && agent.outbox.length === 0)
        throw new Error(`${job.job} is ${job.state} at ${runner}, which does not have it`);
    }
  }

  /** SIGKILL of the agent: what ran is reported as lost, what was said and not committed is said again. */
  #die(agent: Agent): void {
    this.#cut(agent);
    for (const held of agent.holds.values()) {
      if (held.state !== "ended")
        this.#end(agent, held, {
          kind: "infrastructure",
          message: "the agent was restarted",
          logTail: "",
        });
    }
  }

  /** The machine is installed anew: it knows of nothing. */
  #wipe(agent: Agent): void {
    this.#cut(agent);
    agent.holds.clear();
    agent.outbox = [];
  }

  #alarm(): void {
    for (const job of this.#jobs.values()) {
      const at = deadline(
        job,
        job.runner === null ? 0 : (this.#byName().get(job.runner)?.leaseUntil ?? 0),
      );
      if (at !== null && at <= this.now) this.#apply(job.job, { kind: "expired" });
    }
    this.#dispatch();
  }

  /** The control plane was away: all sockets are gone, and leases start again with time to reconnect. */
  #restart(): void {
    this.now += 300_000;
    for (const agent of this.#agents) {
      this.#cut(agent);
      agent.runner = { ...agent.runner, leaseUntil: this.now + LEASE.reconnect };
    }
  }

  #cancel(choice: number): void {
    const all = [...this.#jobs.values()];
    const job = all[choice % Math.max(1, all.length)];
    if (job) this.#apply(job.job, { kind: "cancel", reason: "somebody" });
  }

  #byName(): Map<string, FleetRunner> {
    return new Map(
      this.#agents.map((agent) => {
        const used = [...this.#jobs.values()].filter(
          (job) =>
            job.runner === agent.runner.runner &&
            ["offering", "offered", "accepted", "running", "suspect"].includes(job.state),
        ).length;
        return [agent.runner.runner, { ...agent.runner, online: agent.connected, used }];
      }),
    );
  }
}
