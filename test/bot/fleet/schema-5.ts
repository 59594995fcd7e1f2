import { SCHEMA_4 } from "./schema-4.ts";

/** The Fleet's database as version 5 was released: frozen. */
export const SCHEMA_5 = [
  ...SCHEMA_4,
  "ALTER TABLE runner ADD COLUMN targets TEXT NOT NULL DEFAULT '[]'",
  "ALTER TABLE job ADD COLUMN machines TEXT NOT NULL DEFAULT '[]'",
  "ALTER TABLE job ADD COLUMN once INTEGER NOT NULL DEFAULT 0",
];
