-- The index behind the pages: derived from the Repo and Run objects, dropped and rebuilt by `POST /operator/index/rebuild`.
CREATE TABLE runs (
  run TEXT PRIMARY KEY,
  repository INTEGER NOT NULL,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  private INTEGER NOT NULL,
  reason TEXT NOT NULL,
  ref TEXT NOT NULL,
  head TEXT NOT NULL,
  pull INTEGER,
  state TEXT NOT NULL,
  conclusion TEXT,
  created_at INTEGER NOT NULL,
  finished_at INTEGER
) STRICT;
CREATE INDEX runs_by_repository ON runs (repository, created_at DESC);
CREATE INDEX runs_by_time ON runs (created_at DESC);
