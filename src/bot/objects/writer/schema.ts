import type { Step } from "../migrations.ts";

/** Schema of a Writer's database. Steps are added, never edited, once released; tests hold a dump of each version. */
export const STEPS: readonly Step[] = [
  `
  CREATE TABLE effect (
    resource TEXT PRIMARY KEY, run TEXT NOT NULL, place TEXT NOT NULL, last INTEGER NOT NULL, yields INTEGER NOT NULL, wished_at INTEGER NOT NULL,
    aggregate INTEGER NOT NULL, version INTEGER NOT NULL, terminal INTEGER NOT NULL, annotations INTEGER NOT NULL,
    check_run INTEGER, shown INTEGER NOT NULL, annotated INTEGER NOT NULL, state TEXT NOT NULL, lookups INTEGER NOT NULL,
    failures INTEGER NOT NULL, due_at INTEGER NOT NULL, body TEXT NOT NULL, problem TEXT, changed_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX effect_open ON effect (due_at) WHERE state IN ('sending', 'unknown') OR (state = 'idle' AND (shown < version OR annotated < annotations));
  CREATE INDEX effect_place ON effect (place, changed_at);
  CREATE INDEX effect_changed ON effect (changed_at);
  CREATE TABLE gate (
    one INTEGER PRIMARY KEY CHECK (one = 1), paused_until INTEGER NOT NULL, remaining INTEGER, reset_at INTEGER NOT NULL, tokens REAL NOT NULL,
    filled_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), installation INTEGER NOT NULL) STRICT;
  CREATE TABLE token (one INTEGER PRIMARY KEY CHECK (one = 1), token TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT;
  `,
  "ALTER TABLE effect ADD COLUMN succeeds TEXT NOT NULL DEFAULT '[]'",
  `
  -- Check runs are not all that is shown; what is shown has its id at GitHub. The run of what belongs to none is empty.
  ALTER TABLE effect ADD COLUMN kind TEXT NOT NULL DEFAULT 'check';
  ALTER TABLE effect RENAME COLUMN check_run TO shown_id;
  -- Checks that turn.
  CREATE INDEX effect_turning ON effect (changed_at) WHERE kind = 'check' AND terminal = 0;
  `,
];
