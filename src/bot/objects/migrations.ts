/** One step of an object's schema: SQL, or code that moves rows. Steps are never edited once released, only added. */
export type Step = string | ((sql: SqlStorage) => void);

/**
 * Brings an object's database to the newest version; called first thing in the constructor, so that an object that
 * slept through releases migrates itself when it wakes. `steps[n]` leads from version n to n + 1. Runs to the end or
 * leaves the version before (`ctx.storage.transactionSync` by way of `storage`).
 *
 * @returns the version the database is at now.
 * @throws when the database is newer than the code: an old release must not write what it cannot read.
 */
export function migrate(storage: DurableObjectStorage, steps: readonly Step[]): number {
  const { sql } = storage;
  return storage.transactionSync(() => {
    sql.exec(
      "CREATE TABLE IF NOT EXISTS version (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT",
    );
    const rows = sql.exec<{ at: number }>("SELECT at FROM version").toArray();
    const at = rows[0]?.at ?? 0;
    if (at > steps.length) {
      throw new Error(
        `the object's database has version ${at}, this release knows ${steps.length}: deploy the newer release`,
      );
    }
    if (at === steps.length) return at;
    for (const step of steps.slice(at)) {
      if (typeof step === "string") sql.exec(step);
      else step(sql);
    }
    sql.exec(
      "INSERT INTO version (one, at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at = excluded.at",
      steps.length,
    );
    return steps.length;
  });
}
