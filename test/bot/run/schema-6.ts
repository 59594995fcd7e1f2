import { SCHEMA_5 } from "./schema-5.ts";

/** The Run's database as version 6 was released: frozen. */
export const SCHEMA_6 = [
  ...SCHEMA_5,
  "ALTER TABLE derivation ADD COLUMN earlier TEXT",
  "CREATE TABLE flake (drv TEXT PRIMARY KEY, flake TEXT NOT NULL) STRICT, WITHOUT ROWID",
  "ALTER TABLE job ADD COLUMN aside TEXT",
  "ALTER TABLE run ADD COLUMN declared TEXT",
  "ALTER TABLE run ADD COLUMN impact TEXT",
  "CREATE TABLE base (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, selection INTEGER NOT NULL, name TEXT NOT NULL, drv TEXT) STRICT",
  "CREATE TABLE machine ( id INTEGER PRIMARY KEY, machine TEXT NOT NULL, selection TEXT NOT NULL, attribute TEXT NOT NULL, change TEXT NOT NULL, before TEXT, after TEXT, error TEXT, difference TEXT ) STRICT",
  "CREATE TABLE inventory (machine TEXT PRIMARY KEY, class TEXT NOT NULL, tags TEXT NOT NULL) STRICT, WITHOUT ROWID",
  "CREATE INDEX machine_after ON machine (after) WHERE after IS NOT NULL",
];
