import {
  deadline,
  type FleetJob,
  type FleetRunner,
  type JobEvent,
  missingEverywhere,
  nextDue,
  step,
} from "../../../core/fleet/index.ts";
import type { Audit } from "./audit.ts";
import type { Jobs } from "./jobs.ts";
import type { Outbox } from "./outbox.ts";
import type { Enrolled, Runners } from "./runners.ts";
import type { Sockets } from "./sockets.ts";

/** Applies core's steps: the row and what the Run is to be told in one transaction, then the frames to runners. */
export class Desk {
  readonly #storage: DurableObjectStorage;
  readonly #jobs: Jobs;
  readonly #runners: Runners;
  readonly #outbox: Outbox;
  readonly #sockets: Sockets;
  readonly #audit: Audit;

  constructor(
    storage: DurableObjectStorage,
    parts: { jobs: Jobs; runners: Runners; outbox: Outbox; sockets: Sockets; audit: Audit },
  ) {
    this.#storage = storage;
    this.#jobs = parts.jobs;
    this.#runners = parts.runners;
    this.#outbox = parts.outbox;
    this.#sockets = parts.sockets;
    this.#audit = parts.audit;
  }

  /** Null for a job that is not known (any more). */
  apply(id: string, event: JobEvent, now: number): FleetJob | null {
    const job = this.#jobs.get(id);
    if (job === null) {
      if ("attempt" in event) {
        const reason = "the job is not known";
        this.#refuse(id, event, reason, now);
        this.#sockets.tell(event.runner, { kind: "forget", reason }, id, event.attempt);
      }
      return null;
    }
    const next = step(job, event, now);
    try {
      this.#storage.transactionSync(() => {
        if (next.job !== job) this.#jobs.save(next.job);
        for (const effect of next.effects)
          if (
            effect.kind === "forward" ||
            effect.kind === "tell-started" ||
            effect.kind === "tell-adrift"
          )
            this.#outbox.add(id, effect, now);
          else if (effect.kind === "forget" && "attempt" in event && !isOwn(job, event))
            this.#refuse(id, event, effect.reason, now);
      });
    } catch (error) {
      this.#jobs.reload();
      throw error;
    }
    for (const effect of next.effects) {
      if (effect.kind === "cancel" || effect.kind === "forget") {
        this.#sockets.tell(
          effect.runner,
          { kind: effect.kind, reason: effect.reason.slice(0, 1_024) },
          id,
          effect.attempt,
        );
      }
    }
    return next.job;
  }

  #refuse(
    job: string,
    said: Extract<JobEvent, { attempt: number }>,
    why: string,
    at: number,
  ): void {
    const { runner, attempt } = said;
    const reason = `${said.kind}: ${why}`;
    this.#audit.note(
      { by: "fleet", runner, job, attempt, what: "stale", reason, digest: null },
      at,
    );
  }

  /** Runners as they are now: those online by their sockets' renewals. */
  runners(): (FleetRunner & Enrolled)[] {
    return this.#runners.all().map((runner) => {
      const leaseUntil = this.#sockets.leaseUntil(runner.runner);
      return leaseUntil === null
        ? { ...runner, online: false }
        : { ...runner, online: true, leaseUntil };
    });
  }

  /** Jobs whose time is up. */
  expire(now: number): void {
    const runners = new Map(this.runners().map((runner) => [runner.runner, runner]));
    for (const job of this.#jobs.open()) {
      const at = deadline(
        job,
        job.runner === null ? 0 : (runners.get(job.runner)?.leaseUntil ?? 0),
      );
      if (at !== null && at <= now) this.apply(job.job, { kind: "expired" }, now);
    }
  }

  /** Waiting jobs that no enrolled runner can take any more. */
  endImpossible(now: number): void {
    const runners = this.runners();
    for (const job of this.#jobs.open()) {
      const missing = missingEverywhere(job, runners);
      if (missing !== null) this.apply(job.job, { kind: "impossible", missing }, now);
    }
  }

  nextDue(now: number): number | null {
    const open = this.#jobs.open();
    return nextDue(
      open,
      new Map(this.runners().map((runner) => [runner.runner, runner])),
      this.#jobs.homes(open),
      now,
    );
  }
}

/** What a runner still says of its own newest attempt, while the word that it is over is on its way. */
function isOwn(job: FleetJob, { attempt, runner }: { attempt: number; runner: string }): boolean {
  return job.attempt === attempt && job.runner === runner;
}
