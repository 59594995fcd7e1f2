import type { Observation } from "../../../../protocol/machine.ts";
import type { Reply } from "../../../machine/index.ts";
import type { ClusterRecord, Read } from "./record.ts";

/** A cluster as machines are observed: what it "runs" is the deployment program that was applied and verified last. */
export function observationOf(record: ClusterRecord | null, now: number): Observation {
  const generations = (record?.history ?? []).map(({ number, system, at }) => ({
    number,
    system,
    at,
  }));
  const unfinished =
    record === null || record.state === "ended"
      ? null
      : { counter: record.counter, step: record.state, since: record.since };
  return {
    at: now,
    system: record?.system ?? null,
    // A cluster is not booted, and has no store that could be full.
    booted: null,
    bootId: "",
    nix: { freeBytes: 0, freeInodes: 0 },
    boot: null,
    profile: generations[0] ?? null,
    generations,
    failedUnits: null,
    counter: record?.counter ?? 0,
    unfinished,
    updaters: [],
  };
}

/** What was read of the record, as a machine's answer. */
export function replyOf(read: Read, now: number): Reply<Observation> {
  switch (read.kind) {
    case "read":
      return { kind: "done", value: observationOf(read.record, now) };
    case "missing":
      return { kind: "refused", code: "not-prepared", why: read.why };
    case "failed":
      return { kind: "failed", why: read.why, log: "" };
    case "lost":
      return { kind: "unreachable", why: read.why };
  }
}
