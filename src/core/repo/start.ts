import { isFork, keyOf, sameSubject } from "./key.ts";
import type { DeployReason, RunReason, Sender } from "./request.ts";
import type { Decision, RunRow, Slice } from "./rows.ts";

/** Runs that are over and whose failures a new one of the same commit may make undone; of older ones they stay shown. */
const MOST_BEFORE = 20;

/** What somebody once asked to be tried again says nothing about the next time. */
function withoutRetry(reason: RunReason): RunReason {
  if (reason.kind !== "pull_request" || reason.retry === undefined) return reason;
  const { retry: _retry, ...rest } = reason;
  return rest;
}

/** Collects what a decision comes to; numbers new runs one after another. */
export class Plan {
  readonly decision: Decision = { changes: [], effects: [] };
  readonly #slice: Slice;
  readonly now: number;
  #next: number;

  constructor(slice: Slice, now: number) {
    this.#slice = slice;
    this.now = now;
    this.#next = slice.nextRun;
  }

  /**
   * A run for the reason, unless the newest of its key judges the same already: the same head delivered twice is one
   * run. Older active runs of the key are superseded.
   *
   * @param instead a key whose runs give way to it as well
   */
  ensure(
    reason: RunReason,
    sender: Sender,
    approved: string | null,
    instead: string | null = null,
  ): void {
    if (this.isOwn(reason)) return this.endAll(keyOf(reason), "the repository's own run");
    const newest = this.newest(keyOf(reason));
    const judged =
      newest !== null && newest.state !== "superseded" && sameSubject(newest.reason, reason);
    if (!judged || newest.approved !== approved)
      this.start({ reason, sender, approved, fresh: false }, instead);
    else if (instead !== null) this.endAll(instead, `run ${newest.n}`, reason.head);
  }

  /** Again, for a person who asked: what is already being done again is not begun a second time. */
  again(row: RunRow): void {
    // What changes machines is asked for anew, by somebody who may.
    if (row.reason.kind === "deploy") return;
    const busy = this.#slice.runs.some(
      (run) =>
        run.n > row.n && run.fresh && run.state === "active" && sameSubject(run.reason, row.reason),
    );
    if (busy || this.isOwn(row.reason)) return;
    const reason = withoutRetry(row.reason);
    this.start({ reason, sender: row.sender, approved: this.#approvalOf(row), fresh: true });
  }

  /** A check from before its commit was approved may be asked for again after it was. */
  #approvalOf({ reason, head, approved }: RunRow): string | null {
    if (reason.kind !== "pull_request") return approved;
    const pull = this.#slice.pulls.find(({ number }) => number === reason.number);
    return approved ?? (pull?.approved === head ? head : null);
  }

  /**
   * Whether a fork's commit is one that the repository judges as its own: GitHub shows checks by commit, so a fork that
   * puts such a commit up must not speak about it (see docs/decisions/checks.md).
   */
  isOwn(reason: RunReason): boolean {
    return isFork(reason) && this.own(reason).length > 0;
  }

  /** The repository's own runs of the reason's commit, for another reason. */
  own(reason: RunReason): RunRow[] {
    return this.#slice.runs.filter(
      (run) =>
        run.head === reason.head &&
        run.key !== keyOf(reason) &&
        run.state !== "superseded" &&
        run.reason.kind !== "deploy" &&
        !isFork(run.reason),
    );
  }

  start(
    run: Pick<RunRow, "reason" | "sender" | "approved" | "fresh">,
    instead: string | null = null,
  ): number {
    const { head } = run.reason;
    const key = keyOf(run.reason);
    const n = this.#next;
    this.#next += 1;
    // Someone asking again for an older head does not end the run of the newest one.
    const newest = this.newest(key);
    const old = run.fresh && newest !== null && newest.head !== head;
    const ended = this.active(key).filter((other) => !old || other.head === head);
    if (instead !== null) ended.push(...this.active(instead));
    // The repository's own word about a commit takes the place of a fork's.
    if (!isFork(run.reason)) ended.push(...this.#forksOf(head));
    const succeeds = [
      ...ended.filter((other) => other.head === head),
      ...this.#before(key, head).slice(0, MOST_BEFORE),
    ].map((other) => other.n);
    this.decision.changes.push({
      kind: "run",
      row: { ...run, n, key, head, succeeds, state: "active", conclusion: null },
      createdAt: this.now,
    });
    this.decision.effects.push({ kind: "start", n });
    for (const other of ended) this.supersede(other, `run ${n}`, other.head === head);
    return n;
  }

  /** A run for machines: it ends no other, and none ends it. The same key is the same run. @returns its number. */
  deploy(reason: DeployReason, sender: Sender): number {
    const key = keyOf(reason);
    const known = this.newest(key);
    if (known !== null) return known.n;
    const n = this.#next;
    this.#next += 1;
    const { head } = reason;
    const approved = null;
    this.decision.changes.push({
      kind: "run",
      row: {
        n,
        key,
        head,
        reason,
        sender,
        approved,
        fresh: true,
        succeeds: [],
        state: "active",
        conclusion: null,
      },
      createdAt: this.now,
    });
    this.decision.effects.push({ kind: "start", n });
    return n;
  }

  /**
   * Ends a run, unless it speaks about a commit that the repository judges for another reason too: GitHub shows the newest
   * check of a name, and one that was cancelled with a branch must not stand above the verdict of a pull request.
   *
   * @param yields another run judges the same commit and goes on with its checks
   */
  supersede(row: RunRow, by: string, yields: boolean): void {
    if (!yields && !isFork(row.reason) && this.own(row.reason).length > 0) return;
    this.#end(row, by, yields);
  }

  #end(row: RunRow, by: string, yields: boolean): void {
    this.decision.changes.push({ kind: "run-state", n: row.n, state: "superseded" });
    this.decision.effects.push({ kind: "supersede", n: row.n, by, yields });
  }

  /** Ends the runs of a key; those of the commit `successor` yield their checks to it. */
  endAll(key: string, by: string, successor: string | null = null): void {
    for (const row of this.active(key)) this.supersede(row, by, row.head === successor);
  }

  /** Ends all that runs, whoever else speaks about its commits. */
  endEverything(by: string): void {
    for (const row of this.#slice.runs) if (row.state === "active") this.#end(row, by, false);
  }

  newest(key: string): RunRow | null {
    return (
      this.#slice.runs.filter((run) => run.key === key).toSorted((a, b) => b.n - a.n)[0] ?? null
    );
  }

  active(key: string): RunRow[] {
    return this.#slice.runs.filter((run) => run.key === key && run.state === "active");
  }

  /** Runs that judged the same before, newest first. */
  #before(key: string, head: string): RunRow[] {
    return this.#slice.runs
      .filter((run) => run.key === key && run.head === head && run.state !== "active")
      .toSorted((a, b) => b.n - a.n);
  }

  #forksOf(head: string): RunRow[] {
    return this.#slice.runs.filter(
      (run) => run.head === head && run.state === "active" && isFork(run.reason),
    );
  }
}
