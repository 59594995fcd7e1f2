import { SCHEMA_2 } from "./schema-2.ts";

/** The Fleet's database as version 4 was released: frozen. */
export const SCHEMA_4 = [
  ...SCHEMA_2,
  "ALTER TABLE runner ADD COLUMN exchange TEXT",
  "ALTER TABLE job ADD COLUMN exchange TEXT",
  "ALTER TABLE job ADD COLUMN pin TEXT",
  "CREATE TABLE home (pin TEXT PRIMARY KEY, runner TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  "ALTER TABLE runner ADD COLUMN evaluator TEXT",
];
