import { keyOf, sameSubject } from "./key.ts";
import type { RunReason, Sender } from "./request.ts";
import type { Decision, RunRow, Slice } from "./rows.ts";

/** Collects what a decision comes to; numbers new runs one after another. */
export class Plan {
  readonly decision: Decision = { changes: [], effects: [] };
  readonly #slice: Slice;
  readonly #now: number;
  #next: number;

  constructor(slice: Slice, now: number) {
    this.#slice = slice;
    this.#now = now;
    this.#next = slice.nextRun;
  }

  /**
   * A run for the reason, unless the newest of its key judges the same already: the same head delivered twice is one
   * run. Older active runs of the key are superseded.
   */
  ensure(reason: RunReason, sender: Sender, approved: string | null): void {
    const newest = this.newest(keyOf(reason));
    const judged =
      newest !== null && newest.state !== "superseded" && sameSubject(newest.reason, reason);
    if (judged && newest.approved === approved) return;
    this.start({ reason, sender, approved, fresh: false });
  }

  /** Again, for a person who asked: what is already being done again is not begun a second time. */
  again(row: RunRow): void {
    const busy = this.#slice.runs.some(
      (run) =>
        run.n > row.n && run.fresh && run.state === "active" && sameSubject(run.reason, row.reason),
    );
    if (busy) return;
    this.start({ reason: row.reason, sender: row.sender, approved: row.approved, fresh: true });
  }

  start(run: Pick<RunRow, "reason" | "sender" | "approved" | "fresh">): number {
    const key = keyOf(run.reason);
    const n = this.#next;
    this.#next += 1;
    this.decision.changes.push({
      kind: "run",
      row: { ...run, n, key, head: run.reason.head, state: "active" },
      createdAt: this.#now,
    });
    this.decision.effects.push({ kind: "start", n });
    // Someone asking again for an older head does not end the run of the newest one.
    const newest = this.newest(key);
    const old = run.fresh && newest !== null && newest.head !== run.reason.head;
    for (const other of this.active(key)) {
      if (!old || other.head === run.reason.head)
        this.supersede(other, `run ${n}`, other.head === run.reason.head);
    }
    return n;
  }

  /** `yields`: another run judges the same commit and goes on with its checks. */
  supersede(row: RunRow, by: string, yields: boolean): void {
    this.decision.changes.push({ kind: "run-state", n: row.n, state: "superseded" });
    this.decision.effects.push({ kind: "supersede", n: row.n, by, yields });
  }

  /** Ends the runs of a key; those of the commit `successor` yield their checks to it. */
  endAll(key: string, by: string, successor: string | null = null): void {
    for (const row of this.active(key)) this.supersede(row, by, row.head === successor);
  }

  newest(key: string): RunRow | null {
    return (
      this.#slice.runs.filter((run) => run.key === key).toSorted((a, b) => b.n - a.n)[0] ?? null
    );
  }

  active(key: string): RunRow[] {
    return this.#slice.runs.filter((run) => run.key === key && run.state === "active");
  }
}
