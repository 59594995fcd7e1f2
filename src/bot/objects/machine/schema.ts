import type { Step } from "../migrations.ts";

/** Schema of the Machine object; see `migrate`. Times are Unix ms; columns hold JSON where core has more than a word. */
export const steps: readonly Step[] = [
  `
CREATE TABLE machine (
  one INTEGER PRIMARY KEY CHECK (one = 1), host TEXT NOT NULL, account INTEGER NOT NULL, host_key TEXT NOT NULL,
  counter INTEGER NOT NULL, next_order INTEGER NOT NULL, observation TEXT
) STRICT;
-- Wishes to change it; those that have ended are its history.
CREATE TABLE ticket (
  key TEXT PRIMARY KEY, "order" INTEGER NOT NULL, run TEXT NOT NULL, machine TEXT NOT NULL, owner TEXT NOT NULL, purpose TEXT NOT NULL,
  method TEXT NOT NULL, sha TEXT NOT NULL, system TEXT, expected TEXT, force INTEGER NOT NULL, state TEXT NOT NULL, counter INTEGER,
  before TEXT, step TEXT, asked_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, outcome TEXT
) STRICT;
CREATE INDEX ticket_open ON ticket ("order") WHERE state <> 'ended';
CREATE INDEX ticket_history ON ticket (changed_at) WHERE state = 'ended';
CREATE TABLE keep (
  kind TEXT PRIMARY KEY, "order" INTEGER NOT NULL, owner TEXT NOT NULL, reason TEXT, run TEXT, at INTEGER NOT NULL
) STRICT;
-- Systems that were activated here and had to be taken back.
CREATE TABLE bad (system TEXT PRIMARY KEY, sha TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE due (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, target TEXT NOT NULL, at INTEGER NOT NULL, payload TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX due_at ON due (at);
CREATE INDEX due_target ON due (target, id);
`,
  `
-- Since when it has not answered, and why: JSON.
ALTER TABLE machine ADD COLUMN unreachable TEXT;
`,
];
