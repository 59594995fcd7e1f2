import { migrate, type Step } from "../../../src/bot/objects/migrations.ts";

/** What the object's database is made of: the text of each table and index, without comments, spaces folded. */
export function dump(storage: DurableObjectStorage): string[] {
  return names(storage).map(({ sql }) => sql.replaceAll(/--.*\n/gu, "").replaceAll(/\s+/gu, " "));
}

function names({ sql }: DurableObjectStorage): { name: string; type: string; sql: string }[] {
  return sql
    .exec<{ name: string; type: string; sql: string }>(
      "SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name",
    )
    .toArray();
}

/** Makes the database what a release had left it as, with rows of that time, and brings it to the newest version. */
export function upgrade(
  storage: DurableObjectStorage,
  released: readonly string[],
  version: number,
  rows: readonly string[],
  steps: readonly Step[],
): number {
  for (const { name, type } of names(storage))
    if (type === "table") storage.sql.exec(`DROP TABLE ${name}`);
  for (const statement of [...released, ...rows]) storage.sql.exec(statement);
  storage.sql.exec("INSERT INTO version (one, at) VALUES (1, ?)", version);
  return migrate(storage, steps);
}
