import type { Change, PullRow, Slice, Want } from "../../../core/repo/rows.ts";
import type { RepositoryIdentity, RunRequest } from "../../../core/repo/request.ts";
import { runId } from "../../../core/repo/key.ts";
import { Commands } from "./commands.ts";
import {
  headOf,
  type HeadRecord,
  identityOf,
  type IdentityRecord,
  pullOf,
  type PullRecord,
  runOf,
  type RunRecord,
} from "./records.ts";

/** Runs and closed pull requests that are remembered; a check can be asked for again as long as its run is. */
const KEPT = { runs: 5_000, pulls: 5_000 } as const;

/** Rows of one query: of one commit or branch there are never more worth looking at. */
const MOST = 200;

/** The repository's rows: loads the slice that core asks for, applies the changes that core decided. */
export class State {
  readonly #sql: SqlStorage;
  readonly #commands: Commands;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#commands = new Commands(sql);
  }

  get commands(): Commands {
    return this.#commands;
  }

  identity(): RepositoryIdentity | null {
    const record = this.#identity();
    return record === null ? null : identityOf(record);
  }

  slice(want: Want): Slice {
    const record = this.#identity();
    const pulls = this.#pulls(want.pulls);
    const head = want.ref === null ? null : this.head(want.ref);
    return {
      identity: record === null ? null : identityOf(record),
      identityAt: record?.named_at ?? null,
      nextRun:
        (this.#sql.exec<{ n: number | null }>("SELECT MAX(n) AS n FROM run").one().n ?? 0) + 1,
      head,
      pulls,
      runs: this.#runs(want.runs, pulls, head?.sha ?? null),
      commands: this.#commands.wanted(want.commands),
      lately: this.#commands.lately(want.commands?.lately),
      approvals: this.#commands.approvals(want.approvals),
    };
  }

  head(ref: string) {
    const [record] = this.#sql.exec<HeadRecord>("SELECT * FROM head WHERE ref = ?", ref).toArray();
    return record === undefined ? null : headOf(record);
  }

  request(n: number): RunRequest | null {
    const identity = this.identity();
    const [record] = this.#sql.exec<RunRecord>("SELECT * FROM run WHERE n = ?", n).toArray();
    if (identity === null || record === undefined) return null;
    const { reason, sender, approved, fresh, succeeds } = runOf(record);
    const { id } = identity.repository;
    return {
      run: runId(id, n),
      identity,
      reason,
      sender,
      approved,
      fresh,
      succeeds: succeeds.map((other) => runId(id, other)),
      requestedAt: record.created_at,
    };
  }

  finished(n: number, conclusion: string): void {
    this.#sql.exec(
      "UPDATE run SET state = CASE state WHEN 'active' THEN 'finished' ELSE state END, conclusion = ? WHERE n = ?",
      conclusion,
      n,
    );
  }

  /** The pull request that a run is for, if its commit is the head; null where it is not, or is for none. */
  pullAt(n: number): number | null {
    const reason = this.request(n)?.reason;
    if (reason?.kind !== "pull_request" && reason?.kind !== "deploy") return null;
    const number = reason.kind === "deploy" ? reason.pull : reason.number;
    if (number === null) return null;
    const [pull] = this.#pulls({ number });
    return pull?.head === reason.head ? pull.number : null;
  }

  /** Active runs from before (ms) that no effect is still to be told to. */
  begun(before: number): number[] {
    return this.#sql
      .exec<{ n: number }>(
        "SELECT n FROM run WHERE state = 'active' AND created_at <= ? AND NOT EXISTS (SELECT 1 FROM due WHERE target = 'run:' || n) ORDER BY n",
        before,
      )
      .toArray()
      .map(({ n }) => n);
  }

  newest(limit: number, only: "all" | "active" = "all"): number[] {
    const where = only === "active" ? "WHERE state = 'active'" : "";
    return this.#sql
      .exec<{ n: number }>(`SELECT n FROM run ${where} ORDER BY n DESC LIMIT ?`, limit)
      .toArray()
      .map(({ n }) => n);
  }

  /** Inside the caller's transaction. Policy and verdicts are not rows of these tables: see `Policy` and `Memory`. */
  apply(change: Exclude<Change, { kind: "policy-stale" | "forget-verdicts" }>): void {
    switch (change.kind) {
      case "identity":
        return this.#setIdentity(change.identity, change.updatedAt);
      case "head": {
        const { ref, sha, before, pushedAt } = change.row;
        this.#sql.exec(
          "INSERT OR REPLACE INTO head (ref, sha, before, pushed_at) VALUES (?, ?, ?, ?)",
          ref,
          sha,
          before,
          pushedAt,
        );
        return;
      }
      case "head-gone":
        this.#sql.exec("DELETE FROM head WHERE ref = ?", change.ref);
        return;
      case "pull":
        return this.#setPull(change.row);
      case "run": {
        const { n, key, head, reason, sender, approved, fresh, succeeds, state } = change.row;
        this.#sql.exec(
          "INSERT INTO run (n, key, head, reason, sender_login, sender_id, sender_type, approved, fresh, succeeds, state, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          n,
          key,
          head,
          JSON.stringify(reason),
          sender.login,
          sender.id,
          sender.type,
          approved,
          fresh ? 1 : 0,
          JSON.stringify(succeeds),
          state,
          change.createdAt,
        );
        return;
      }
      case "command":
        return this.#commands.put(change.row);
      case "audit":
        return this.#commands.note(change.entry, change.at);
      case "approval":
        return this.#commands.approve(change);
      case "run-state":
        this.#sql.exec("UPDATE run SET state = ? WHERE n = ?", change.state, change.n);
    }
  }

  /** Forgets the oldest of what is over. */
  prune(now: number): void {
    this.#commands.prune(now);
    this.#sql.exec(
      "DELETE FROM run WHERE state <> 'active' AND n <= (SELECT MAX(n) FROM run) - ?",
      KEPT.runs,
    );
    this.#sql.exec(
      "DELETE FROM pull WHERE state = 'closed' AND number <= (SELECT MAX(number) FROM pull) - ?",
      KEPT.pulls,
    );
  }

  #identity(): IdentityRecord | null {
    return this.#sql.exec<IdentityRecord>("SELECT * FROM identity").toArray()[0] ?? null;
  }

  pull(number: number): PullRow | null {
    return this.#pulls({ number })[0] ?? null;
  }

  #pulls(want: Want["pulls"]) {
    const one =
      want.number === undefined
        ? []
        : this.#sql.exec<PullRecord>("SELECT * FROM pull WHERE number = ?", want.number).toArray();
    const byHead =
      want.head === undefined
        ? []
        : this.#sql
            .exec<PullRecord>(
              "SELECT * FROM pull WHERE head = ? ORDER BY number DESC LIMIT ?",
              want.head,
              MOST,
            )
            .toArray();
    const byRef =
      want.headRef === undefined
        ? []
        : this.#sql
            .exec<PullRecord>(
              "SELECT * FROM pull WHERE state = 'open' AND head_ref = ? ORDER BY number DESC LIMIT ?",
              want.headRef,
              MOST,
            )
            .toArray();
    return [
      ...new Map(
        [...one, ...byHead, ...byRef].map((record) => [record.number, pullOf(record)]),
      ).values(),
    ];
  }

  #runs(want: Want["runs"], pulls: readonly PullRow[], ofRef: string | null) {
    // Of a key the newest, and everything that still runs; of a run that is asked for again, what came after it.
    const keys = want.keys.flatMap((key) => this.#ofKey(key));
    if (want.active)
      keys.push(...this.#sql.exec<RunRecord>("SELECT * FROM run WHERE state = 'active'").toArray());
    const one =
      want.n === undefined
        ? []
        : this.#sql.exec<RunRecord>("SELECT * FROM run WHERE n = ?", want.n).toArray();
    const heads = want.ofPulls ? pulls.map(({ head }) => head) : [];
    if (want.head !== undefined) heads.push(want.head);
    if (want.ofRef && ofRef !== null) heads.push(ofRef);
    const byHead = heads.flatMap((head) => this.#ofHead(head));
    const others = [...new Set([...one, ...byHead].map(({ key }) => key))].flatMap((key) =>
      this.#ofKey(key),
    );
    // Whether a run that may be ended is the only one that speaks about its commit.
    const beside = keys
      .filter(({ state, head }) => state === "active" && !heads.includes(head))
      .flatMap(({ head }) => this.#ofHead(head));
    return [
      ...new Map(
        [...keys, ...one, ...byHead, ...beside, ...others].map((record) => [
          record.n,
          runOf(record),
        ]),
      ).values(),
    ];
  }

  #ofHead(head: string): RunRecord[] {
    return this.#sql
      .exec<RunRecord>("SELECT * FROM run WHERE head = ? ORDER BY n DESC LIMIT ?", head, MOST)
      .toArray();
  }

  #ofKey(key: string): RunRecord[] {
    return this.#sql
      .exec<RunRecord>(
        "SELECT * FROM run WHERE key = ?1 AND (state = 'active' OR n = (SELECT MAX(n) FROM run WHERE key = ?1)) ORDER BY n DESC LIMIT ?2",
        key,
        MOST,
      )
      .toArray();
  }

  #setIdentity(
    { host, account, installation, repository }: RepositoryIdentity,
    namedAt: string | null,
  ): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO identity (one, host, account, login, installation, repository, owner, name, private, default_branch, clone_url, named_at)
        VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      host,
      account.id,
      account.login,
      installation,
      repository.id,
      repository.owner,
      repository.name,
      repository.private ? 1 : 0,
      repository.defaultBranch,
      repository.cloneUrl,
      namedAt,
    );
  }

  #setPull(row: ReturnType<typeof pullOf>): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO pull (number, state, head, head_ref, base, base_ref, fork, draft, author, before, updated_at, sender_login, sender_id,
        sender_type, approved, approved_by, head_seen_at, merged) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.number,
      row.state,
      row.head,
      row.headRef,
      row.base,
      row.baseRef,
      row.fork ? 1 : 0,
      row.draft ? 1 : 0,
      row.author,
      row.before,
      row.updatedAt,
      row.sender.login,
      row.sender.id,
      row.sender.type,
      row.approved,
      row.approvedBy,
      row.headSeenAt,
      row.merged === null ? null : Number(row.merged),
    );
  }
}
