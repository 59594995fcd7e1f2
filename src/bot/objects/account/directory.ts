import type { Event } from "../../../core/event/event.ts";
import type { KnownRepository } from "../contracts.ts";

/** Repositories that the App was taken off; whether its installation may speak again. */
export type Follows = { left: number[]; resumed: boolean };

/** The account's installations and repositories, as GitHub's events and the Repo objects tell. */
export class Directory {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Inside the caller's transaction. Answers what others are to be told of. */
  apply(event: Event): Follows {
    const { what, installation } = event;
    const nothing: Follows = { left: [], resumed: false };
    if (what.kind !== "installation" || installation === null) return nothing;
    if (what.action === "deleted") {
      const left = this.#of(installation);
      this.#sql.exec("DELETE FROM installation WHERE id = ?", installation);
      this.#sql.exec("DELETE FROM repository WHERE installation = ?", installation);
      return { ...nothing, left };
    }
    this.#install(installation, what.action === "suspended");
    for (const repository of what.added) this.know(installation, repository);
    for (const id of what.removed) this.forget(id);
    return { left: what.removed, resumed: what.action === "unsuspended" };
  }

  #of(installation: number): number[] {
    return this.#sql
      .exec<{ id: number }>("SELECT id FROM repository WHERE installation = ?", installation)
      .toArray()
      .map(({ id }) => id);
  }

  know(installation: number, { id, owner, name, private: secret }: KnownRepository): void {
    if (
      this.#sql.exec("SELECT 1 FROM installation WHERE id = ?", installation).toArray().length === 0
    )
      this.#install(installation, false);
    this.#sql.exec(
      `INSERT INTO repository (id, owner, name, private, installation, swept_at) VALUES (?1, ?2, ?3, ?4, ?5, 0)
        ON CONFLICT (id) DO UPDATE SET owner = ?2, name = ?3, private = ?4, installation = ?5
        WHERE owner <> ?2 OR name <> ?3 OR private <> ?4 OR installation <> ?5`,
      id,
      owner,
      name,
      secret ? 1 : 0,
      installation,
    );
  }

  forget(repository: number): void {
    this.#sql.exec("DELETE FROM repository WHERE id = ?", repository);
  }

  repositories(): (KnownRepository & { installation: number })[] {
    return this.#sql
      .exec<{ id: number; owner: string; name: string; private: number; installation: number }>(
        "SELECT id, owner, name, private, installation FROM repository ORDER BY id",
      )
      .toArray()
      .map((row) => ({ ...row, private: row.private === 1 }));
  }

  installations(): number[] {
    return this.#sql
      .exec<{ id: number }>("SELECT id FROM installation WHERE suspended = 0 ORDER BY id")
      .toArray()
      .map(({ id }) => id);
  }

  rotate(limit: number, now: number): number[] {
    const ids = this.#sql
      .exec<{ id: number }>("SELECT id FROM repository ORDER BY swept_at, id LIMIT ?", limit)
      .toArray()
      .map(({ id }) => id);
    this.#sql.exec(
      "UPDATE repository SET swept_at = ? WHERE id IN (SELECT value FROM json_each(?))",
      now,
      JSON.stringify(ids),
    );
    return ids;
  }

  #install(id: number, suspended: boolean): void {
    this.#sql.exec(
      "INSERT INTO installation (id, suspended) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET suspended = ?2",
      id,
      suspended ? 1 : 0,
    );
  }
}
