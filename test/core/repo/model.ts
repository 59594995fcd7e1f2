import type { Event } from "../../../src/core/event/event.ts";
import { approved, decide, left } from "../../../src/core/repo/decide.ts";
import { type Answer, answered, isAhead } from "../../../src/core/repo/answered.ts";
import type { RepositoryIdentity, Sender } from "../../../src/core/repo/request.ts";
import type {
  Approval,
  CommandRow,
  Decision,
  HeadRow,
  PullRow,
  RunRow,
  Slice,
  Want,
} from "../../../src/core/repo/rows.ts";
import {
  EVERYTHING_ACTIVE,
  wants,
  wantsForApproval,
  wantsForCommand,
} from "../../../src/core/repo/wants.ts";

/** A repository in memory: answers `wants` as the object's SQL does, applies changes, writes effects down. */
export class Model {
  identity: RepositoryIdentity | null = null;
  readonly heads = new Map<string, HeadRow>();
  readonly pulls = new Map<number, PullRow>();
  readonly runs = new Map<number, RunRow>();
  readonly commands = new Map<string, CommandRow>();
  readonly audit: string[] = [];
  readonly told: string[] = [];
  readonly approvals: { pull: number; sha: string; by: Sender }[] = [];
  readonly log: string[] = [];
  policyStale = 0;
  forgotten = 0;
  published = 0;
  #identityAt: string | null = null;
  #now = 1_000_000;

  deliver(...events: Event[]): Decision | undefined {
    let last: Decision | undefined;
    for (const event of events) {
      this.#now += 1;
      last = decide(this.#load(wants(event, this.#now)), event, this.#now, "github.com");
      this.#apply(last);
    }
    return last;
  }

  left(why: string): void {
    this.#apply(left(this.#load(EVERYTHING_ACTIVE), why, (this.#now += 1)));
  }

  approve(approval: Approval): void {
    this.#apply(approved(this.#load(wantsForApproval(approval)), approval, [], (this.#now += 1)));
  }

  /** GitHub's answer for every command that waits for one, until none does. */
  answer(of: (row: CommandRow) => Answer): void {
    for (;;) {
      const waiting = [...this.commands.values()].find(({ state }) => state !== "done");
      if (waiting === undefined) return;
      this.answerOne(waiting, of(waiting));
    }
  }

  answerOne(row: CommandRow, answer: Answer): void {
    const slice = this.#load(wantsForCommand(row));
    this.#apply(answered(slice, row.key, answer, (this.#now += 1)));
  }

  /** Whether a command waits for a delivery, GitHub having answered so. */
  ahead(row: CommandRow, answer: Answer): boolean {
    return isAhead(this.#load(wantsForCommand(row)), row.key, answer, this.#now);
  }

  /** The clock, ms. */
  get now(): number {
    return this.#now;
  }

  later(milliseconds: number): void {
    this.#now += milliseconds;
  }

  finish(n: number, conclusion = "success"): void {
    const row = this.runs.get(n);
    if (row !== undefined) this.runs.set(n, { ...row, state: "finished", conclusion });
  }

  slice(event: Event): Slice {
    return this.#load(wants(event, this.#now));
  }

  /** Live runs as `key, first letter of the head, number`. */
  live(): string[] {
    return [...this.runs.values()]
      .filter(({ state }) => state === "active")
      .map(({ key, head, n }) => `${key} ${head[0]} ${n}`);
  }

  #load({ ref, pulls, runs, commands, approvals }: Want): Slice {
    const all = [...this.runs.values()];
    const loaded = [...this.pulls.values()].filter(
      (pull) =>
        pull.number === pulls.number ||
        pull.head === pulls.head ||
        (pull.state === "open" && pull.headRef === pulls.headRef),
    );
    const heads = runs.ofPulls ? loaded.map(({ head }) => head) : [];
    const own = ref === null ? undefined : this.heads.get(ref)?.sha;
    if (runs.ofRef && own !== undefined) heads.push(own);
    const named = all.filter(
      (run) => run.n === runs.n || run.head === runs.head || heads.includes(run.head),
    );
    const ending = all.filter(({ key, state }) => state === "active" && runs.keys.includes(key));
    const beside = all.filter((run) => ending.some(({ head }) => head === run.head));
    const asked = [...this.commands.values()];
    const lately = commands?.lately;
    const keys = new Set([...runs.keys, ...named.map(({ key }) => key)]);
    const newest = (key: string) =>
      Math.max(...all.filter((run) => run.key === key).map(({ n }) => n));
    return structuredClone({
      identity: this.identity,
      identityAt: this.#identityAt,
      nextRun: Math.max(0, ...this.runs.keys()) + 1,
      head: ref === null ? null : (this.heads.get(ref) ?? null),
      pulls: loaded,
      commands: asked.filter(
        ({ key, comment }) =>
          (commands?.comment !== undefined && comment === commands.comment) ||
          (commands?.key !== undefined &&
            (key === commands.key || key.startsWith(`${commands.key}:`))),
      ),
      lately: asked.filter(
        ({ by, at }) => lately !== undefined && by.id === lately.by && at >= lately.since,
      ).length,
      approvals: this.approvals.filter(({ pull }) => pull === approvals),
      runs: all.filter(
        (run) =>
          named.includes(run) ||
          beside.includes(run) ||
          (runs.active && run.state === "active") ||
          (keys.has(run.key) && (run.state === "active" || run.n === newest(run.key))),
      ),
    });
  }

  #apply({ changes, effects }: Decision): void {
    for (const change of changes) {
      switch (change.kind) {
        case "identity":
          this.identity = change.identity;
          this.#identityAt = change.updatedAt;
          break;
        case "head":
          this.heads.set(change.row.ref, change.row);
          break;
        case "head-gone":
          this.heads.delete(change.ref);
          break;
        case "pull":
          this.pulls.set(change.row.number, change.row);
          break;
        case "command":
          this.commands.set(change.row.key, change.row);
          break;
        case "audit":
          this.audit.push(`${change.entry.command}: ${change.entry.decision}`);
          break;
        case "approval":
          this.approvals.push({ pull: change.pull, sha: change.sha, by: change.by });
          break;
        case "run":
          if (this.runs.has(change.row.n)) throw new Error(`run ${change.row.n} is there already`);
          this.runs.set(change.row.n, change.row);
          break;
        case "run-state": {
          const row = this.runs.get(change.n);
          if (row === undefined) throw new Error(`run ${change.n} is not there`);
          this.runs.set(change.n, { ...row, state: change.state });
          break;
        }
        case "policy-stale":
          this.policyStale += 1;
          break;
        case "forget-verdicts":
          this.forgotten += 1;
      }
    }
    for (const effect of effects) {
      if (effect.kind === "start") this.log.push(`start ${effect.n}`);
      else if (effect.kind === "supersede") this.log.push(`supersede ${effect.n} by ${effect.by}`);
      else if (effect.kind === "ask-role")
        this.log.push(`ask ${effect.approval.by.login} about ${effect.approval.sha}`);
      else if (effect.kind === "publish") this.published += 1;
      else if (effect.kind === "react") this.log.push(`${effect.content} on ${effect.comment}`);
      else if (effect.kind === "tell") this.told.push(effect.body);
      else if (effect.kind === "cancel") this.log.push(`cancel ${effect.n} by ${effect.by}`);
      else if (effect.kind === "cancel-jobs") this.log.push(`end ${effect.of} of ${effect.n}`);
    }
  }
}
