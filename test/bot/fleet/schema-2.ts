/** The Fleet's database as version 2 was released: frozen. A later version keeps this file and adds its own. */
export const SCHEMA_2 = [
  "CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), host TEXT NOT NULL, account INTEGER NOT NULL) STRICT",
  "CREATE TABLE code (hash TEXT PRIMARY KEY, pool TEXT NOT NULL, class TEXT NOT NULL, repositories TEXT, expires_at INTEGER NOT NULL) STRICT",
  "CREATE TABLE runner ( runner TEXT PRIMARY KEY, name TEXT NOT NULL, public_key TEXT NOT NULL, pool TEXT NOT NULL, class TEXT NOT NULL, repositories TEXT, systems TEXT, features TEXT NOT NULL DEFAULT '[]', slots INTEGER NOT NULL DEFAULT 0, agent TEXT NOT NULL DEFAULT '', stream TEXT, online INTEGER NOT NULL DEFAULT 0, draining INTEGER NOT NULL DEFAULT 0, lease_until INTEGER NOT NULL DEFAULT 0, enrolled_at INTEGER NOT NULL ) STRICT",
  "CREATE TABLE nonce (nonce TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  "CREATE TABLE job ( job TEXT PRIMARY KEY, repository INTEGER NOT NULL, pool TEXT NOT NULL, system TEXT, features TEXT NOT NULL, prefer TEXT, queued_at INTEGER NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL, runner TEXT, since INTEGER NOT NULL, losses INTEGER NOT NULL, declines INTEGER NOT NULL, not_before INTEGER NOT NULL, avoid TEXT, cancel TEXT, digest TEXT ) STRICT",
  "CREATE INDEX job_open ON job (state) WHERE state <> 'done'",
  "CREATE INDEX job_runner ON job (runner) WHERE state <> 'done'",
  "CREATE TABLE job_request (job TEXT PRIMARY KEY, request TEXT NOT NULL) STRICT",
  "CREATE TABLE served (repository INTEGER PRIMARY KEY, turn INTEGER NOT NULL) STRICT",
  "CREATE TABLE outbox ( id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, job TEXT NOT NULL, attempt INTEGER NOT NULL, runner TEXT, verdict TEXT, digest TEXT, tries INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL ) STRICT",
  "CREATE INDEX job_done ON job (since) WHERE state = 'done'",
  "CREATE TABLE channel_position (stream TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
  "CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT",
];
