import { INBOX_ASIDE, INBOX_SCHEMA } from "../inbox/schema.ts";
import type { Step } from "../migrations.ts";

/** Schema of the Repo object; see `migrate`. Times are Unix ms where the name does not say otherwise. */
export const steps: readonly Step[] = [
  `${INBOX_SCHEMA}
CREATE TABLE identity (
  one INTEGER PRIMARY KEY CHECK (one = 1), host TEXT NOT NULL, account INTEGER NOT NULL, login TEXT NOT NULL, installation INTEGER NOT NULL,
  repository INTEGER NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL, private INTEGER NOT NULL, default_branch TEXT NOT NULL,
  clone_url TEXT NOT NULL, named_at TEXT
) STRICT;
CREATE TABLE head (ref TEXT PRIMARY KEY, sha TEXT NOT NULL, before TEXT, pushed_at INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE pull (
  number INTEGER PRIMARY KEY, state TEXT NOT NULL, head TEXT NOT NULL, head_ref TEXT NOT NULL, base TEXT NOT NULL, base_ref TEXT NOT NULL,
  fork INTEGER NOT NULL, draft INTEGER NOT NULL, author TEXT NOT NULL, before TEXT, updated_at TEXT NOT NULL,
  sender_login TEXT NOT NULL, sender_id INTEGER NOT NULL, sender_type TEXT NOT NULL, approved TEXT, approved_by TEXT
) STRICT;
CREATE INDEX pull_head ON pull (head);
CREATE INDEX pull_head_ref ON pull (head_ref) WHERE state = 'open';
CREATE TABLE run (
  n INTEGER PRIMARY KEY, key TEXT NOT NULL, head TEXT NOT NULL, reason TEXT NOT NULL, sender_login TEXT NOT NULL, sender_id INTEGER NOT NULL,
  sender_type TEXT NOT NULL, approved TEXT, fresh INTEGER NOT NULL, state TEXT NOT NULL, conclusion TEXT, created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX run_key ON run (key, n);
CREATE INDEX run_head ON run (head, n);
CREATE INDEX run_active ON run (n) WHERE state = 'active';
CREATE TABLE policy (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT, commit_sha TEXT NOT NULL, read_at INTEGER NOT NULL) STRICT;
CREATE TABLE verdict (
  pool TEXT NOT NULL, drv TEXT NOT NULL, verdict TEXT NOT NULL, run TEXT NOT NULL, at INTEGER NOT NULL, seconds REAL NOT NULL, failed INTEGER NOT NULL,
  used_at INTEGER NOT NULL, PRIMARY KEY (pool, drv)
) STRICT, WITHOUT ROWID;
CREATE INDEX verdict_used ON verdict (used_at);
CREATE INDEX verdict_failed ON verdict (at) WHERE failed = 1;
CREATE TABLE tree (key TEXT PRIMARY KEY, run TEXT NOT NULL, at INTEGER NOT NULL, used_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX tree_used ON tree (used_at);
`,
  `ALTER TABLE run ADD COLUMN succeeds TEXT NOT NULL DEFAULT '[]'; ${INBOX_ASIDE};`,
  `
-- A success without its builder's signature is nobody's word.
ALTER TABLE verdict ADD COLUMN provenance TEXT;
-- What a branch's commit evaluated to, as a blob: for pull requests into it. Pool: of the run that evaluated.
CREATE TABLE evaluation (sha TEXT PRIMARY KEY, pool TEXT NOT NULL, blob TEXT NOT NULL, used_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX evaluation_used ON evaluation (used_at);
`,
  `
-- When the head was recorded; null is not known, and never old enough.
ALTER TABLE pull ADD COLUMN head_seen_at INTEGER;
-- What people asked for. key: comment and line, or check run, SHA and action; used once. who, command, outcome: JSON.
CREATE TABLE command (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, pull INTEGER NOT NULL, comment INTEGER, line INTEGER NOT NULL, via TEXT NOT NULL,
  who TEXT NOT NULL, text TEXT NOT NULL, command TEXT, at INTEGER NOT NULL, sha TEXT, state TEXT NOT NULL, acts_on TEXT, outcome TEXT
) STRICT;
CREATE INDEX command_pull ON command (pull, id);
CREATE INDEX command_comment ON command (comment) WHERE comment IS NOT NULL;
CREATE INDEX command_at ON command (at);
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, key TEXT NOT NULL, pull INTEGER NOT NULL, login TEXT NOT NULL, account INTEGER NOT NULL,
  via TEXT NOT NULL, command TEXT NOT NULL, sha TEXT, decision TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);
-- Who said that a commit may be deployed.
CREATE TABLE approval (
  pull INTEGER NOT NULL, sha TEXT NOT NULL, account INTEGER NOT NULL, login TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (pull, sha, account)
) STRICT, WITHOUT ROWID;
-- Parts of a pull request's sticky comment that runs wrote, and the number of what it should say.
CREATE TABLE section (pull INTEGER NOT NULL, name TEXT NOT NULL, run INTEGER NOT NULL, markdown TEXT, PRIMARY KEY (pull, name)) STRICT, WITHOUT ROWID;
CREATE TABLE sticky (pull INTEGER PRIMARY KEY, version INTEGER NOT NULL) STRICT;
`,
  `
-- Where a verdict's build is told of: JSON of job, attempt and stream.
ALTER TABLE verdict ADD COLUMN log TEXT;
-- Derivations that failed, and whether they passed as well. failed and passed: JSON of run, time and log.
CREATE TABLE history (
  pool TEXT NOT NULL, drv TEXT NOT NULL, attribute TEXT NOT NULL, failed TEXT, passed TEXT, failures INTEGER NOT NULL, passes INTEGER NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (pool, drv)
) STRICT, WITHOUT ROWID;
CREATE INDEX history_at ON history (pool, at);
CREATE INDEX history_flaky ON history (pool, attribute) WHERE failed IS NOT NULL AND passed IS NOT NULL;
`,
  `
-- Whether a pull request was merged; null while it is open, or not known.
ALTER TABLE pull ADD COLUMN merged INTEGER;
-- What is done again and again: see core's clock. last: a commit, or a time.
CREATE TABLE clock (name TEXT PRIMARY KEY, schedule TEXT NOT NULL, due_at INTEGER, last TEXT) STRICT, WITHOUT ROWID;
-- Systems of machines on the default branch, as a run of this commit built them.
CREATE TABLE wanted (machine TEXT PRIMARY KEY, system TEXT NOT NULL, sha TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
-- Issues that are kept up to date: number of the newest text, and what it says; empty where that is not known.
CREATE TABLE issue (name TEXT PRIMARY KEY, version INTEGER NOT NULL, said TEXT NOT NULL) STRICT, WITHOUT ROWID;
`,
];
