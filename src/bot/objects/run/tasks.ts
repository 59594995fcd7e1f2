/** What a Run has to do by itself. Rows say what is left of each; a task only says when to look. */
export type Task =
  | "prepare"
  | "replay"
  | "sweep"
  | "cancel"
  | "enqueue"
  | "recall"
  | "compare"
  | "impact"
  | "section"
  | "aside"
  | "lease"
  | "needs"
  | "report"
  | "gone"
  | "krops"
  | "remember"
  | "tree"
  | "tell"
  | "index"
  | "archive"
  | "empty"
  | "rollout"
  | "words"
  | "deployments"
  | "watch";

/** Pause before a failed task is tried again (ms): doubled for each failure, up to the last. */
const RETRY = { first: 1_000, most: 5 * 60_000 } as const;
/** A task that was taken and of which nothing was heard is due again after this (ms): the object had died. */
const TAKEN = 120_000;

/** Nobody waits for these: of what is due, they come last. */
const LATER =
  "'gone', 'krops', 'impact', 'section', 'aside', 'remember', 'tree', 'tell', 'index', 'archive', 'empty', 'watch'";

export type Taken = { task: Task; tries: number; lease: number };

/** The table of what is due; an object has one alarm, set to the first of them. */
export class Tasks {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Not later than `at`. A task that failed keeps its pause: its neighbours' news do not shorten it. */
  at(task: Task, at: number): void {
    this.#sql.exec(
      "INSERT INTO task (name, due) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET due = min(due, excluded.due) WHERE tries = 0",
      task,
      at,
    );
  }

  take(now: number): Taken | null {
    const [row] = this.#sql
      .exec<{ name: string; tries: number }>(
        `SELECT name, tries FROM task WHERE due <= ? ORDER BY name IN (${LATER}), due, rowid LIMIT 1`,
        now,
      )
      .toArray();
    if (!row) return null;
    const lease = now + TAKEN;
    this.#sql.exec("UPDATE task SET due = ?, tries = 0 WHERE name = ?", lease, row.name);
    return { task: row.name as Task, tries: row.tries, lease };
  }

  /** A task asked for while it ran stays due. */
  done({ task, lease }: Taken, next: number | null): void {
    if (next === null) this.#sql.exec("DELETE FROM task WHERE name = ? AND due = ?", task, lease);
    else
      this.#sql.exec(
        "UPDATE task SET due = min(iif(due = ?, ?, due), ?) WHERE name = ?",
        lease,
        next,
        next,
        task,
      );
  }

  failed({ task, tries }: Taken, now: number): void {
    const pause = Math.min(RETRY.most, RETRY.first * 2 ** Math.min(tries, 20));
    this.#sql.exec(
      "UPDATE task SET due = ?, tries = ? WHERE name = ?",
      now + pause,
      tries + 1,
      task,
    );
  }

  /** What it was for has happened. */
  drop(task: Task): void {
    this.#sql.exec("DELETE FROM task WHERE name = ?", task);
  }

  /** Whether anything but `task` is to be done. */
  others(task: Task): boolean {
    return this.#sql.exec("SELECT 1 FROM task WHERE name <> ? LIMIT 1", task).toArray().length > 0;
  }

  next(): number | null {
    const [row] = this.#sql
      .exec<{ due: number | null }>("SELECT min(due) AS due FROM task")
      .toArray();
    return row?.due ?? null;
  }
}
