CREATE TABLE approval (
  pull INTEGER NOT NULL, sha TEXT NOT NULL, account INTEGER NOT NULL, login TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (pull, sha, account)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, key TEXT NOT NULL, pull INTEGER NOT NULL, login TEXT NOT NULL, account INTEGER NOT NULL,
  via TEXT NOT NULL, command TEXT NOT NULL, sha TEXT, decision TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE command (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, pull INTEGER NOT NULL, comment INTEGER, line INTEGER NOT NULL, via TEXT NOT NULL,
  who TEXT NOT NULL, text TEXT NOT NULL, command TEXT, at INTEGER NOT NULL, sha TEXT, state TEXT NOT NULL, acts_on TEXT, outcome TEXT
) STRICT;
CREATE TABLE due (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  at INTEGER NOT NULL,
  payload TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE evaluation (sha TEXT PRIMARY KEY, pool TEXT NOT NULL, blob TEXT NOT NULL, used_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE head (ref TEXT PRIMARY KEY, sha TEXT NOT NULL, before TEXT, pushed_at INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE history (
  pool TEXT NOT NULL, drv TEXT NOT NULL, attribute TEXT NOT NULL, failed TEXT, passed TEXT, failures INTEGER NOT NULL, passes INTEGER NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (pool, drv)
) STRICT, WITHOUT ROWID;
CREATE TABLE identity (
  one INTEGER PRIMARY KEY CHECK (one = 1), host TEXT NOT NULL, account INTEGER NOT NULL, login TEXT NOT NULL, installation INTEGER NOT NULL,
  repository INTEGER NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL, private INTEGER NOT NULL, default_branch TEXT NOT NULL,
  clone_url TEXT NOT NULL, named_at TEXT
) STRICT;
CREATE TABLE inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery TEXT NOT NULL UNIQUE,
  event TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'aside')),
  at INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  size INTEGER NOT NULL,
  body BLOB,
  blob TEXT,
  error TEXT,
  cause TEXT
) STRICT;
CREATE TABLE policy (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT, commit_sha TEXT NOT NULL, read_at INTEGER NOT NULL) STRICT;
CREATE TABLE pull (
  number INTEGER PRIMARY KEY, state TEXT NOT NULL, head TEXT NOT NULL, head_ref TEXT NOT NULL, base TEXT NOT NULL, base_ref TEXT NOT NULL,
  fork INTEGER NOT NULL, draft INTEGER NOT NULL, author TEXT NOT NULL, before TEXT, updated_at TEXT NOT NULL,
  sender_login TEXT NOT NULL, sender_id INTEGER NOT NULL, sender_type TEXT NOT NULL, approved TEXT, approved_by TEXT
, head_seen_at INTEGER) STRICT;
CREATE TABLE run (
  n INTEGER PRIMARY KEY, key TEXT NOT NULL, head TEXT NOT NULL, reason TEXT NOT NULL, sender_login TEXT NOT NULL, sender_id INTEGER NOT NULL,
  sender_type TEXT NOT NULL, approved TEXT, fresh INTEGER NOT NULL, state TEXT NOT NULL, conclusion TEXT, created_at INTEGER NOT NULL
, succeeds TEXT NOT NULL DEFAULT '[]') STRICT;
CREATE TABLE section (pull INTEGER NOT NULL, name TEXT NOT NULL, run INTEGER NOT NULL, markdown TEXT, PRIMARY KEY (pull, name)) STRICT, WITHOUT ROWID;
CREATE TABLE sticky (pull INTEGER PRIMARY KEY, version INTEGER NOT NULL) STRICT;
CREATE TABLE tree (key TEXT PRIMARY KEY, run TEXT NOT NULL, at INTEGER NOT NULL, used_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE verdict (
  pool TEXT NOT NULL, drv TEXT NOT NULL, verdict TEXT NOT NULL, run TEXT NOT NULL, at INTEGER NOT NULL, seconds REAL NOT NULL, failed INTEGER NOT NULL,
  used_at INTEGER NOT NULL, provenance TEXT, log TEXT, PRIMARY KEY (pool, drv)
) STRICT, WITHOUT ROWID;
CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT;
CREATE INDEX audit_at ON audit (at);
CREATE INDEX command_at ON command (at);
CREATE INDEX command_comment ON command (comment) WHERE comment IS NOT NULL;
CREATE INDEX command_pull ON command (pull, id);
CREATE INDEX due_at ON due (at);
CREATE INDEX due_target ON due (target, id);
CREATE INDEX evaluation_used ON evaluation (used_at);
CREATE INDEX history_at ON history (pool, at);
CREATE INDEX history_flaky ON history (pool, attribute) WHERE failed IS NOT NULL AND passed IS NOT NULL;
CREATE INDEX inbox_aside ON inbox (id) WHERE state = 'aside';
CREATE INDEX inbox_past ON inbox (received_at) WHERE state <> 'waiting';
CREATE INDEX inbox_waiting ON inbox (at, id) WHERE state = 'waiting';
CREATE INDEX pull_head ON pull (head);
CREATE INDEX pull_head_ref ON pull (head_ref) WHERE state = 'open';
CREATE INDEX run_active ON run (n) WHERE state = 'active';
CREATE INDEX run_head ON run (head, n);
CREATE INDEX run_key ON run (key, n);
CREATE INDEX tree_used ON tree (used_at);
CREATE INDEX verdict_failed ON verdict (at) WHERE failed = 1;
CREATE INDEX verdict_used ON verdict (used_at);
