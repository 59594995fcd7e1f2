import { LACKS } from "../../../../core/deploy/lacks.ts";
import type { DeployWork, MachineOutcome } from "../../../../protocol/machine.ts";
import { clusterApi } from "./api.ts";
import { type ClusterParts, type Furnished, untouched } from "./cluster.ts";
import type { Door } from "./door.ts";
import { type Gate, openGate } from "./gate.ts";
import { replyOf } from "./observation.ts";
import {
  type ClusterRecord,
  type ClusterRecords,
  clusterRecords,
  type RecordFault,
  type Refusal,
} from "./record.ts";
import { overtaken, refusal } from "./turn.ts";
import { rehearse } from "./rehearse.ts";
import { settleCluster } from "./settle.ts";

/**
 * Applies the repository's deployment program to one cluster: connect, begin, verify, dry-activate | activate, confirm, health,
 * commit, read-back. Left of the bar nothing of the cluster is changed but Snowcat's own record. Returns for everything that
 * cluster, link and program do; what it throws is a fault of the runner.
 */
export async function deployCluster(parts: ClusterParts): Promise<MachineOutcome> {
  const impossible = judgeWork(parts.work);
  if (impossible !== null) return impossible;
  for (const [step, why] of Object.entries(LACKS.kubernetes))
    parts.say(`${step}, as far as it goes: ${why}`);
  await parts.step("connect");
  const opened = await parts.open(parts.signal);
  if (opened.kind === "missing")
    return { kind: "not-prepared", missing: [opened.why], running: null };
  if (opened.kind === "failed") return untouched("connect", opened.why, null);
  const { door } = opened;
  try {
    return await within(parts, door);
  } finally {
    await door.close();
  }
}

/** What no cluster can do is refused before it is touched, and not left out in silence. */
function judgeWork({ backup, health, action }: DeployWork): MachineOutcome | null {
  if (backup !== null) return untouched("backup", LACKS.kubernetes.backup, null);
  const asked = health.find(({ kind }) => kind === "unit" || kind === "command");
  if (asked !== undefined)
    return untouched("health", `a health check of kind ${asked.kind} needs a machine`, null);
  return action.kind === "system"
    ? untouched("verify", "a cluster is deployed from a tree, not from a closure", null)
    : null;
}

async function within(parts: ClusterParts, door: Door): Promise<MachineOutcome> {
  const { work, cluster, clock, owner } = parts;
  const { counter, limits, expected } = work;
  const api = clusterApi(door.socket, limits.connectSeconds);
  const records = clusterRecords(api, cluster.namespace, owner);
  const before = await records.read();
  await parts.observed(replyOf(before, clock.now()));
  if (before.kind !== "read") return ended("connect", before, null);

  await parts.step("begin");
  const begun = await records.change((record) => {
    const refused = refusal(record, counter, expected, clock.now());
    return refused ?? begin(record, parts);
  });
  if (begun.kind !== "written") return ended("begin", begun, before.record?.system ?? null);
  const { record } = begun;

  const gate = await openGate(door.socket);
  try {
    const opened = await parts.openPlace(gate.reach);
    if (opened.kind === "refused") {
      await finish(parts, records);
      return untouched("check", opened.why, record.system);
    }
    const { place, proxy } = opened;
    try {
      return await behind(gate, { ...parts, place, proxy }, records, record);
    } finally {
      await opened.close();
    }
  } finally {
    await gate.close();
  }
}

async function behind(
  gate: Gate,
  parts: Furnished,
  records: ClusterRecords,
  record: ClusterRecord,
): Promise<MachineOutcome> {
  const rehearsed = await rehearse(parts, gate, record);
  if (rehearsed.kind === "ended") {
    await finish(parts, records);
    return rehearsed.outcome;
  }
  if (!parts.seal()) {
    await finish(parts, records);
    return untouched("dry-activate", "it was cancelled before anything was applied", record.system);
  }
  const { rehearsal } = rehearsed;
  const earlier = record.history[0]?.system ?? null;
  return await settleCluster(parts, { gate, records, running: record.system, earlier, rehearsal });
}

function begin(
  record: ClusterRecord | null,
  { work: { counter, limits }, clock }: ClusterParts,
): Omit<ClusterRecord, "version" | "owner" | "write"> {
  const now = clock.now();
  // Cut off while it was applying: what runs is nobody's program any more.
  const wasCutOff = record !== null && record.state !== "ended" && record.state !== "begun";
  return {
    counter,
    state: "begun",
    since: now,
    until: now + (limits.activationSeconds + limits.confirmationSeconds) * 1_000,
    system: wasCutOff ? null : (record?.system ?? null),
    target: null,
    history: record?.history ?? [],
  };
}

/** Closes a deploy that has changed nothing. */
async function finish(
  { work: { counter }, clock, say }: ClusterParts,
  records: ClusterRecords,
): Promise<void> {
  const closed = await records.change((record) =>
    record?.counter === counter
      ? { ...record, state: "ended", since: clock.now(), target: null }
      : overtaken(record),
  );
  if (closed.kind !== "written") say(`not closed in the cluster: ${closed.why}`);
}

function ended(
  step: "connect" | "begin",
  fault: RecordFault | Refusal,
  running: string | null,
): MachineOutcome {
  if (fault.kind === "missing") return { kind: "not-prepared", missing: [fault.why], running };
  if (fault.kind === "refused" && fault.code === "busy")
    return { kind: "held", why: fault.why, running };
  return untouched(step, fault.why, running);
}
