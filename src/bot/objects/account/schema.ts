import { INBOX_ASIDE, INBOX_SCHEMA } from "../inbox/schema.ts";
import type { Step } from "../migrations.ts";

/** Schema of the Account object; see `migrate`. Times are Unix ms. */
export const steps: readonly Step[] = [
  `${INBOX_SCHEMA}
CREATE TABLE installation (id INTEGER PRIMARY KEY, suspended INTEGER NOT NULL) STRICT;
CREATE TABLE repository (
  id INTEGER PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, private INTEGER NOT NULL, installation INTEGER NOT NULL,
  swept_at INTEGER NOT NULL
) STRICT;
CREATE INDEX repository_swept ON repository (swept_at, id);
CREATE TABLE refused (
  id INTEGER PRIMARY KEY AUTOINCREMENT, delivery TEXT NOT NULL UNIQUE, event TEXT NOT NULL, received_at INTEGER NOT NULL, size INTEGER NOT NULL
) STRICT;
CREATE TABLE sweep (one INTEGER PRIMARY KEY CHECK (one = 1), until INTEGER NOT NULL) STRICT;
`,
  INBOX_ASIDE,
  `
-- GitHub's log of deliveries is read in pieces, and each that failed is asked for by itself.
CREATE TABLE walk (
  one INTEGER PRIMARY KEY CHECK (one = 1), until INTEGER, top INTEGER, cursor TEXT, paused_until INTEGER NOT NULL
) STRICT;
INSERT INTO walk SELECT 1, until, NULL, NULL, 0 FROM sweep;
DROP TABLE sweep;
CREATE TABLE missed (
  guid TEXT PRIMARY KEY, id INTEGER NOT NULL, at INTEGER NOT NULL, ok INTEGER NOT NULL, asked INTEGER NOT NULL, due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX missed_at ON missed (at);
CREATE INDEX missed_due ON missed (due_at) WHERE ok = 0;
`,
];
