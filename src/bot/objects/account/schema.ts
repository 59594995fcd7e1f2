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
];
