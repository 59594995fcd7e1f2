import { SCHEMA_6 } from "./schema-6.ts";

/** The Run's database as version 7 was released: frozen. */
export const SCHEMA_7 = [
  ...SCHEMA_6,
  "ALTER TABLE run ADD COLUMN rolling TEXT NOT NULL DEFAULT 'none'",
  "ALTER TABLE run ADD COLUMN rollout TEXT",
  "ALTER TABLE run ADD COLUMN configuration TEXT",
  "CREATE TABLE stage (n INTEGER PRIMARY KEY, stage TEXT NOT NULL) STRICT",
  'CREATE TABLE target ( machine TEXT PRIMARY KEY, host_key TEXT NOT NULL, settings TEXT NOT NULL, running TEXT, seen_at INTEGER, plan TEXT, target TEXT, "order" INTEGER, observed TEXT, shown TEXT ) STRICT, WITHOUT ROWID',
  "CREATE TABLE errand ( job INTEGER NOT NULL, machine TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, counter INTEGER, direction TEXT, heard INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, machine) ) STRICT, WITHOUT ROWID",
  "CREATE INDEX errand_machine ON errand (machine, kind, job)",
  "ALTER TABLE inventory ADD COLUMN roles TEXT NOT NULL DEFAULT '[]'",
  "ALTER TABLE inventory ADD COLUMN target_host TEXT",
  "ALTER TABLE inventory ADD COLUMN explicit INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE inventory ADD COLUMN hold TEXT",
  "CREATE TABLE word (id INTEGER PRIMARY KEY AUTOINCREMENT, machine TEXT NOT NULL, word TEXT NOT NULL) STRICT",
];
