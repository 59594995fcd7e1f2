import type { Step } from "../migrations.ts";

/** Schema of the Fleet object; see `migrate`. Times are Unix ms. */
export const steps: readonly Step[] = [
  `
CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), host TEXT NOT NULL, account INTEGER NOT NULL) STRICT;
CREATE TABLE code (hash TEXT PRIMARY KEY, pool TEXT NOT NULL, class TEXT NOT NULL, repositories TEXT, expires_at INTEGER NOT NULL) STRICT;
CREATE TABLE runner (
  runner TEXT PRIMARY KEY, name TEXT NOT NULL, public_key TEXT NOT NULL, pool TEXT NOT NULL, class TEXT NOT NULL, repositories TEXT,
  systems TEXT, features TEXT NOT NULL DEFAULT '[]', slots INTEGER NOT NULL DEFAULT 0, agent TEXT NOT NULL DEFAULT '', stream TEXT,
  online INTEGER NOT NULL DEFAULT 0, draining INTEGER NOT NULL DEFAULT 0, lease_until INTEGER NOT NULL DEFAULT 0,
  enrolled_at INTEGER NOT NULL
) STRICT;
CREATE TABLE nonce (nonce TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE job (
  job TEXT PRIMARY KEY, repository INTEGER NOT NULL, pool TEXT NOT NULL, system TEXT, features TEXT NOT NULL, prefer TEXT,
  queued_at INTEGER NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL, runner TEXT, since INTEGER NOT NULL,
  losses INTEGER NOT NULL, declines INTEGER NOT NULL, not_before INTEGER NOT NULL, avoid TEXT, cancel TEXT, digest TEXT
) STRICT;
CREATE INDEX job_open ON job (state) WHERE state <> 'done';
CREATE INDEX job_runner ON job (runner) WHERE state <> 'done';
CREATE TABLE job_request (job TEXT PRIMARY KEY, request TEXT NOT NULL) STRICT;
CREATE TABLE served (repository INTEGER PRIMARY KEY, turn INTEGER NOT NULL) STRICT;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, job TEXT NOT NULL, attempt INTEGER NOT NULL, runner TEXT,
  verdict TEXT, digest TEXT, tries INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL
) STRICT;
`,
  // Forgetting old jobs reads those only.
  `CREATE INDEX job_done ON job (since) WHERE state = 'done';`,
  `
ALTER TABLE runner ADD COLUMN exchange TEXT;
ALTER TABLE job ADD COLUMN exchange TEXT;
ALTER TABLE job ADD COLUMN pin TEXT;
-- Which runner the jobs of one run and system are at, while there is no exchange; and of one set of features beside it.
CREATE TABLE home (pin TEXT PRIMARY KEY, runner TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`,
  // What evaluates there, with its version: part of a judged tree's key.
  `ALTER TABLE runner ADD COLUMN evaluator TEXT;`,
  `
-- What a runner of the pool deploy may change by its own policy (JSON, see the protocol's DeployTarget), and the host keys
-- of what a job is about.
ALTER TABLE runner ADD COLUMN targets TEXT NOT NULL DEFAULT '[]';
ALTER TABLE job ADD COLUMN machines TEXT NOT NULL DEFAULT '[]';
-- An attempt that was taken is never followed by another.
ALTER TABLE job ADD COLUMN once INTEGER NOT NULL DEFAULT 0;
`,
  `
-- The audit log of what runners and control plane refused each other; job, attempt and digest are empty where there is none.
CREATE TABLE refusal (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, "last" INTEGER NOT NULL, times INTEGER NOT NULL DEFAULT 1,
  "by" TEXT NOT NULL, runner TEXT NOT NULL, job TEXT NOT NULL, attempt INTEGER NOT NULL, what TEXT NOT NULL, reason TEXT NOT NULL,
  digest TEXT NOT NULL, UNIQUE ("by", runner, job, attempt, what, reason, digest)
) STRICT;
`,
];
