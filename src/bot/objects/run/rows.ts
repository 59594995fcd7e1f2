import type { Declared, Difference, Impact } from "../../../core/impact/index.ts";
import type { RolloutRow } from "../../../core/deploy/index.ts";
import type { AttributeRow, DerivationRow, JobRow, RunRow } from "../../../core/run/index.ts";
import type { Pool } from "../../../protocol/identifiers.ts";
import type { JobKind, Limits, Selection } from "../../../protocol/specification.ts";
import type { Source } from "../../../protocol/source.ts";
import type { Provenance } from "../../../protocol/provenance.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import type { RepositoryIdentity, RunReason, RunRequest } from "../contracts.ts";

export type Stored = Record<string, SqlStorageValue>;

/** The run as it was asked for, and what preparation has found out. */
export type Header = {
  id: string;
  identity: RepositoryIdentity;
  reason: RunReason;
  sender: RunRequest["sender"];
  approved: string | null;
  fresh: boolean;
  head: string;
  requestedAt: number;
  createdAt: number;
  asked: number;
  askedSince: number | null;
  built: string | null;
  base: string | null;
  source: Source | null;
  selections: Selection[];
  limits: Limits | null;
  policy: string | null;
  treeKey: string | null;
  replayOf: string | null;
  replayed: number;
  approval: string | null;
  evaluator: {
    name: string;
    degraded: string | null;
    seconds: number;
    peakBytes: number | null;
  } | null;
  /** Of the runner that evaluates; null where it has none. */
  exchange: string | null;
  /** Against the base's evaluation; null where there is none. */
  differs: (Omit<Difference, "names"> & { base: string }) | null;
  /** What the configuration says of machines; null before the run is admitted. */
  declared: Declared | null;
  impact: StoredImpact | null;
  /** Text of the default branch's configuration; of runs for machines only. */
  configuration: string | null;
  /** Of a deploy, once it is planned. */
  rollout: RolloutRow | null;
  yields: boolean;
  succeeds: string[];
  emptiedAt: number | null;
  conclusion: string | null;
  finishedAt: number | null;
  reportedAt: number | null;
};

/** How far the comparison with the base is. The machines have rows of their own. */
export type StoredImpact = {
  base: string;
  state: "pending" | "unknown" | "compared";
  /** There are machines, or the configuration speaks of them: the pull request's comment has a section. */
  wanted: boolean;
  /** Why it is unknown, as Markdown. */
  why: string | null;
  /** Whether machines are to be looked into: not yet, by a job, or over. */
  looked: "no" | "looking" | "over";
  /** Why machines have no details, as Markdown. */
  left: string | null;
  revision: Impact["revision"];
  uncovered: string[];
  /** Tree of the base. */
  tree: string | null;
  /** When the commit that is run was made (Unix s), where its flakes read that. */
  committedAt: number | null;
  /** The section as it was rendered last, once it was said; bounded. */
  section: string | null;
};

/** JSON columns hold what this release or an earlier one wrote itself. */
function json<T>(value: SqlStorageValue | undefined): T | null {
  return typeof value === "string" ? (JSON.parse(value) as T) : null;
}

function text(value: SqlStorageValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function number(value: SqlStorageValue | undefined): number | null {
  return typeof value === "number" ? value : null;
}

function must<T>(value: T | null, column: string): T {
  if (value === null) throw new Error(`run database: column ${column} is empty`);
  return value;
}

export function headerOf(row: Stored): Header {
  const evaluator = text(row["evaluator_name"]);
  return {
    id: must(text(row["id"]), "id"),
    identity: must(json<RepositoryIdentity>(row["identity"]), "identity"),
    reason: must(json<RunReason>(row["reason"]), "reason"),
    sender: must(json<RunRequest["sender"]>(row["sender"]), "sender"),
    approved: text(row["approved"]),
    fresh: row["fresh"] === 1,
    head: must(text(row["head"]), "head"),
    requestedAt: must(number(row["requested_at"]), "requested_at"),
    createdAt: must(number(row["created_at"]), "created_at"),
    asked: number(row["asked"]) ?? 0,
    askedSince: number(row["asked_since"]),
    built: text(row["built"]),
    base: text(row["base"]),
    source: json<Source>(row["source"]),
    selections: json<Selection[]>(row["selections"]) ?? [],
    limits: json<Limits>(row["limits"]),
    policy: text(row["policy"]),
    treeKey: text(row["tree_key"]),
    replayOf: text(row["replay_of"]),
    replayed: number(row["replayed"]) ?? 0,
    approval: text(row["approval"]),
    evaluator:
      evaluator === null
        ? null
        : {
            name: evaluator,
            degraded: text(row["evaluator_degraded"]),
            seconds: number(row["evaluator_seconds"]) ?? 0,
            peakBytes: number(row["evaluator_bytes"]),
          },
    exchange: text(row["exchange"]),
    differs: json<NonNullable<Header["differs"]>>(row["differs"]),
    declared: json<Declared>(row["declared"]),
    configuration: text(row["configuration"]),
    rollout: json<RolloutRow>(row["rollout"]),
    impact: json<StoredImpact>(row["impact"]),
    yields: row["yields"] === 1,
    succeeds: json<string[]>(row["succeeds"]) ?? [],
    emptiedAt: number(row["emptied_at"]),
    conclusion: text(row["conclusion"]),
    finishedAt: number(row["finished_at"]),
    reportedAt: number(row["reported_at"]),
  };
}

export function runOf(row: Stored): RunRow {
  return {
    phase: must(text(row["phase"]), "phase") as RunRow["phase"],
    pool: text(row["pool"]) as Pool | null,
    rules: must(json<RunRow["rules"]>(row["rules"]), "rules"),
    attributes: number(row["attributes"]) ?? 0,
    pending: number(row["pending"]) ?? 0,
    required: number(row["required"]) ?? 0,
    requiredSucceeded: number(row["required_succeeded"]) ?? 0,
    unreplayable: number(row["unreplayable"]) ?? 0,
    jobs: number(row["jobs"]) ?? 0,
    openJobs: number(row["open_jobs"]) ?? 0,
    openDerivations: number(row["open_derivations"]) ?? 0,
    evaluation: json<Verdict>(row["evaluation"]),
    stopped: json<Verdict>(row["stopped"]),
    evaluator: text(row["evaluator"]),
    fresh: row["fresh"] === 1,
    rollout: must(text(row["rolling"]), "rolling") as RunRow["rollout"],
  };
}

export function jobOf(row: Stored): JobRow {
  return {
    number: must(number(row["number"]), "number"),
    kind: row["kind"] as JobKind,
    aside: text(row["aside"]) as JobRow["aside"],
    state: row["state"] as JobRow["state"],
    system: text(row["system"]),
    features: json<string[]>(row["features"]) ?? [],
    attempt: number(row["attempt"]) ?? 0,
    runner: text(row["runner"]),
    verdict: json<Verdict>(row["verdict"]),
    digest: text(row["digest"]),
    retries: number(row["retries"]) ?? 0,
    starts: number(row["starts"]) ?? 0,
    notBefore: number(row["not_before"]) ?? 0,
    cancel: text(row["cancel"]),
  };
}

export function attributeOf(row: Stored): AttributeRow {
  return {
    index: must(number(row["id"]), "id"),
    selection: must(number(row["selection"]), "selection"),
    path: json<string[]>(row["path"]) ?? [],
    name: must(text(row["name"]), "name"),
    system: text(row["system"]),
    drv: text(row["drv"]),
    required: row["required"] === 1,
    verdict: json<Verdict>(row["verdict"]),
    cause: text(row["cause"]),
    seconds: number(row["seconds"]) ?? 0,
    log: json<NonNullable<AttributeRow["log"]>>(row["log"]),
    provenance: json<Provenance>(row["provenance"]),
  };
}

export function derivationOf(row: Stored): DerivationRow {
  return {
    drv: must(text(row["drv"]), "drv"),
    name: must(text(row["name"]), "name"),
    system: must(text(row["system"]), "system"),
    features: json<string[]>(row["features"]) ?? [],
    state: row["state"] as DerivationRow["state"],
    job: number(row["job"]),
    selection: must(number(row["selection"]), "selection"),
    path: json<string[]>(row["path"]) ?? [],
    verdict: json<Verdict>(row["verdict"]),
    seconds: number(row["seconds"]) ?? 0,
    remember: row["remember"] === 1,
    provenance: json<Provenance>(row["provenance"]),
    rounds: number(row["rounds"]) ?? 0,
    earlier: json<NonNullable<DerivationRow["earlier"]>>(row["earlier"]),
  };
}
