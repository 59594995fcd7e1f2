import type { Flake } from "../../../core/flakiness/index.ts";
import type { Store } from "./store.ts";

/** Inside a transaction. What is known of a derivation later replaces what was known before. */
export function keepFlakes({ sql }: Store, flakes: readonly Flake[]): void {
  for (const flake of flakes) {
    sql.exec(
      "INSERT OR REPLACE INTO flake (drv, flake) VALUES (?, ?)",
      flake.drv,
      JSON.stringify(flake),
    );
  }
}

/** Those that failed and passed themselves, some of them, and how many there are. */
export function provenFlakes({ sql }: Store, limit: number): { total: number; list: Flake[] } {
  const proven = "FROM flake WHERE json_extract(flake, '$.proof') IS NOT NULL";
  return {
    total: sql.exec<{ total: number }>(`SELECT count(*) AS total ${proven}`).one().total,
    list: sql
      .exec<{ flake: string }>(`SELECT flake ${proven} ORDER BY drv LIMIT ?`, limit)
      .toArray()
      // Written above.
      .map(({ flake }) => JSON.parse(flake) as Flake),
  };
}

/** What the Repo has told of these derivations. */
export function flakesOf(store: Store, drvs: readonly (string | null)[]): Map<string, Flake> {
  if (!store.exists("SELECT 1 FROM flake")) return new Map();
  const rows = store.in(
    "SELECT flake FROM flake WHERE drv IN",
    drvs.flatMap((drv) => (drv === null ? [] : [drv])),
  );
  // Written above.
  const flakes = rows.flatMap(({ flake }) =>
    typeof flake === "string" ? [JSON.parse(flake) as Flake] : [],
  );
  return new Map(flakes.map((flake) => [flake.drv, flake]));
}
