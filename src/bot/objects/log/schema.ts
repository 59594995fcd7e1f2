import type { Step } from "../migrations.ts";

/** Schema of the Log object; see `migrate`. */
export const steps: readonly Step[] = [
  `
CREATE TABLE attempt (one INTEGER PRIMARY KEY CHECK (one = 1), job TEXT NOT NULL, attempt INTEGER NOT NULL) STRICT;
CREATE TABLE stream (
  stream TEXT PRIMARY KEY, size INTEGER NOT NULL DEFAULT 0, sha256 TEXT, dropped INTEGER NOT NULL DEFAULT 0,
  archived INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE chunk (stream TEXT NOT NULL, offset INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (stream, offset)) STRICT, WITHOUT ROWID;
`,
  // Streams are archived together: pack and place in it say where. A log that is not closed is, by time.
  `
ALTER TABLE attempt ADD COLUMN heard_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN pack INTEGER;
ALTER TABLE stream ADD COLUMN pack_offset INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream DROP COLUMN archived;
CREATE INDEX stream_waiting ON stream (stream) WHERE pack IS NULL AND damaged = 0;
`,
];
