CREATE TABLE due (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  at INTEGER NOT NULL,
  payload TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX due_at ON due (at);
CREATE INDEX due_target ON due (target, id);
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
CREATE INDEX inbox_past ON inbox (received_at) WHERE state <> 'waiting';
CREATE INDEX inbox_waiting ON inbox (at, id) WHERE state = 'waiting';
CREATE TABLE installation (id INTEGER PRIMARY KEY, suspended INTEGER NOT NULL) STRICT;
CREATE TABLE refused (
  id INTEGER PRIMARY KEY AUTOINCREMENT, delivery TEXT NOT NULL UNIQUE, event TEXT NOT NULL, received_at INTEGER NOT NULL, size INTEGER NOT NULL
) STRICT;
CREATE TABLE repository (
  id INTEGER PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, private INTEGER NOT NULL, installation INTEGER NOT NULL,
  swept_at INTEGER NOT NULL
) STRICT;
CREATE INDEX repository_swept ON repository (swept_at, id);
CREATE TABLE sweep (one INTEGER PRIMARY KEY CHECK (one = 1), until INTEGER NOT NULL) STRICT;
CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT;
CREATE INDEX inbox_aside ON inbox (id) WHERE state = 'aside';
