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
];
