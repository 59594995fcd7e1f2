import type { Step } from "../migrations.ts";

/** Schema of a Run's database. Steps are added, never edited, once released; tests hold a dump of each version. */
export const STEPS: readonly Step[] = [
  `
  CREATE TABLE run (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- As requested; never changes.
    id TEXT NOT NULL, identity TEXT NOT NULL, reason TEXT NOT NULL, sender TEXT NOT NULL, approved TEXT, fresh INTEGER NOT NULL,
    head TEXT NOT NULL, requested_at INTEGER NOT NULL, created_at INTEGER NOT NULL,
    -- Preparation: how often GitHub was asked for the test merge, and since when.
    asked INTEGER NOT NULL DEFAULT 0, asked_since INTEGER,
    -- What is run: set when the run is admitted.
    built TEXT, base TEXT, source TEXT, selections TEXT, limits TEXT, policy TEXT, tree_key TEXT, replay_of TEXT, replayed INTEGER NOT NULL DEFAULT 0,
    approval TEXT,
    -- State, as core keeps it.
    phase TEXT NOT NULL, pool TEXT, rules TEXT NOT NULL, attributes INTEGER NOT NULL, pending INTEGER NOT NULL, required INTEGER NOT NULL,
    required_succeeded INTEGER NOT NULL, unreplayable INTEGER NOT NULL, jobs INTEGER NOT NULL, open_jobs INTEGER NOT NULL,
    open_derivations INTEGER NOT NULL, evaluation TEXT, stopped TEXT, evaluator TEXT,
    -- Told by the evaluator.
    evaluator_name TEXT, evaluator_degraded TEXT, evaluator_seconds REAL,
    -- Gives way to another run of the same commit.
    yields INTEGER NOT NULL DEFAULT 0,
    conclusion TEXT, finished_at INTEGER, reported_at INTEGER
  ) STRICT;
  CREATE TABLE job (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, system TEXT, features TEXT NOT NULL, attempt INTEGER NOT NULL,
    runner TEXT, verdict TEXT, digest TEXT, retries INTEGER NOT NULL, cancel TEXT
  ) STRICT;
  CREATE INDEX job_new ON job (number) WHERE state = 'new';
  CREATE INDEX job_open ON job (number) WHERE state <> 'finished';
  CREATE INDEX job_cancel ON job (number) WHERE cancel IS NOT NULL;
  CREATE TABLE attribute (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, selection INTEGER NOT NULL, path TEXT NOT NULL, name TEXT NOT NULL, system TEXT, drv TEXT,
    required INTEGER NOT NULL, kind TEXT, verdict TEXT, cause TEXT, seconds REAL NOT NULL, log TEXT,
    -- Order of lists: what needs reading first.
    rank INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX attribute_drv ON attribute (drv) WHERE drv IS NOT NULL;
  CREATE INDEX attribute_cause ON attribute (cause, id) WHERE cause IS NOT NULL AND required = 1;
  CREATE INDEX attribute_pending ON attribute (id) WHERE kind IS NULL;
  CREATE INDEX attribute_error ON attribute (required DESC, id) WHERE kind IN ('evaluation-error', 'not-covered');
  CREATE INDEX attribute_rank ON attribute (rank, id);
  CREATE TABLE derivation (
    drv TEXT PRIMARY KEY, name TEXT NOT NULL, system TEXT NOT NULL, features TEXT NOT NULL, state TEXT NOT NULL, job INTEGER,
    selection INTEGER NOT NULL, path TEXT NOT NULL, verdict TEXT, seconds REAL NOT NULL, remember INTEGER NOT NULL, since INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX derivation_unknown ON derivation (since) WHERE state = 'unknown';
  CREATE INDEX derivation_ready ON derivation (since) WHERE state = 'ready';
  CREATE INDEX derivation_job ON derivation (job) WHERE state = 'leased';
  CREATE INDEX derivation_open ON derivation (since) WHERE state <> 'done';
  CREATE INDEX derivation_remember ON derivation (drv) WHERE remember = 1;
  CREATE TABLE count (kind TEXT NOT NULL, required INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (kind, required)) STRICT;
  CREATE TABLE notice (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
  CREATE TABLE fault (id INTEGER PRIMARY KEY, file TEXT NOT NULL, line INTEGER NOT NULL, message TEXT NOT NULL) STRICT;
  CREATE TABLE shown (name TEXT PRIMARY KEY, cause TEXT UNIQUE, version INTEGER NOT NULL, digest TEXT NOT NULL) STRICT;
  CREATE TABLE task (name TEXT PRIMARY KEY, due INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0) STRICT;
  `,
  `
  ALTER TABLE run ADD COLUMN succeeds TEXT NOT NULL DEFAULT '[]';
  -- When attributes and derivations were left to the archive.
  ALTER TABLE run ADD COLUMN emptied_at INTEGER;
  `,
  `
  ALTER TABLE run ADD COLUMN evaluator_bytes REAL;
  -- What a linter found; JSON, the same only once.
  CREATE TABLE finding (id INTEGER PRIMARY KEY, finding TEXT NOT NULL UNIQUE) STRICT;
  `,
  `
  -- How many attempts of a job were started, and when a second try is due.
  ALTER TABLE job ADD COLUMN starts INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
  -- Who built it, signed: JSON, see the protocol's provenance.
  ALTER TABLE attribute ADD COLUMN provenance TEXT;
  ALTER TABLE derivation ADD COLUMN provenance TEXT;
  -- Against the base's evaluation: how many differ and how, as JSON; some of their names.
  ALTER TABLE run ADD COLUMN differs TEXT;
  CREATE TABLE difference (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL) STRICT;
  `,
  `
  -- The exchange of the runner that evaluates: others that have the same may build parts of the run.
  ALTER TABLE run ADD COLUMN exchange TEXT;
  -- How often it was given back because of something that another runner builds.
  ALTER TABLE derivation ADD COLUMN rounds INTEGER NOT NULL DEFAULT 0;
  -- What attempts build at the moment; as many rows as processes. Only where there is an exchange.
  CREATE TABLE claim (
    job INTEGER NOT NULL, attempt INTEGER NOT NULL, claim INTEGER NOT NULL, drvs TEXT NOT NULL, wanted INTEGER NOT NULL,
    adrift INTEGER NOT NULL, PRIMARY KEY (job, attempt, claim)
  ) STRICT, WITHOUT ROWID;
  -- The newest attempt of a job that lost its claims while nothing was heard of it: it is over.
  CREATE TABLE fence (job INTEGER PRIMARY KEY, attempt INTEGER NOT NULL) STRICT;
  -- Derivations below goals that failed, so that no other runner tries them.
  CREATE TABLE failure (drv TEXT PRIMARY KEY, verdict TEXT NOT NULL) STRICT;
  -- What goals that were given back wait for.
  CREATE TABLE wait (
    goal TEXT NOT NULL, drv TEXT NOT NULL, name TEXT NOT NULL, system TEXT NOT NULL, features TEXT NOT NULL, missing TEXT NOT NULL,
    exchange INTEGER NOT NULL, PRIMARY KEY (goal, drv)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Where an earlier build of it is told of, for a build that turns out not to be needed: JSON of job, attempt, stream.
  ALTER TABLE derivation ADD COLUMN earlier TEXT;
  -- What the Repo knows of derivations that failed and passed: JSON.
  CREATE TABLE flake (drv TEXT PRIMARY KEY, flake TEXT NOT NULL) STRICT, WITHOUT ROWID;
  -- Work beside the run, which nothing waits for: 'base' evaluates the base, 'impact' compares machines.
  ALTER TABLE job ADD COLUMN aside TEXT;
  -- What the configuration says of machines, and how far the comparison with the base is: JSON.
  ALTER TABLE run ADD COLUMN declared TEXT;
  ALTER TABLE run ADD COLUMN impact TEXT;
  -- Attributes of the base, as a job beside the run evaluates it; until it is compared.
  CREATE TABLE base (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, selection INTEGER NOT NULL, name TEXT NOT NULL, drv TEXT) STRICT;
  -- Machines, compared with the base's; what an impact job found of each, as JSON.
  CREATE TABLE machine (
    id INTEGER PRIMARY KEY, machine TEXT NOT NULL, selection TEXT NOT NULL, attribute TEXT NOT NULL, change TEXT NOT NULL, before TEXT,
    after TEXT, error TEXT, difference TEXT
  ) STRICT;
  -- What clan's inventory names, with its class and its tags as JSON.
  CREATE TABLE inventory (machine TEXT PRIMARY KEY, class TEXT NOT NULL, tags TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX machine_after ON machine (after) WHERE after IS NOT NULL;
  `,
  `
  -- What the run does with machines: 'none', 'open', or its conclusion. rollout: JSON, core's row, once it is planned.
  ALTER TABLE run ADD COLUMN rolling TEXT NOT NULL DEFAULT 'none';
  ALTER TABLE run ADD COLUMN rollout TEXT;
  -- Of the default branch, as the run was admitted by it.
  ALTER TABLE run ADD COLUMN configuration TEXT;
  CREATE TABLE stage (n INTEGER PRIMARY KEY, stage TEXT NOT NULL) STRICT;
  -- One for each machine. settings, plan, target: JSON of the configuration's, the runner's and core's words of it.
  CREATE TABLE target (
    machine TEXT PRIMARY KEY, host_key TEXT NOT NULL, settings TEXT NOT NULL, running TEXT, seen_at INTEGER, plan TEXT, target TEXT,
    "order" INTEGER, observed TEXT, shown TEXT
  ) STRICT, WITHOUT ROWID;
  -- Which machines a job is about.
  CREATE TABLE errand (
    job INTEGER NOT NULL, machine TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, counter INTEGER, direction TEXT,
    heard INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, machine)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX errand_machine ON errand (machine, kind, job);
  ALTER TABLE inventory ADD COLUMN roles TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE inventory ADD COLUMN target_host TEXT;
  ALTER TABLE inventory ADD COLUMN explicit INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE inventory ADD COLUMN hold TEXT;
  -- What the machines' objects are to be told, in this order.
  CREATE TABLE word (id INTEGER PRIMARY KEY AUTOINCREMENT, machine TEXT NOT NULL, word TEXT NOT NULL) STRICT;
  `,
  `
  -- Of a machine that builds by itself: the tree of what it ran before, JSON.
  ALTER TABLE target ADD COLUMN previous TEXT;
  `,
];
