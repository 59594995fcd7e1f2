import { OBSERVATION, type DeployStep, type MachineOutcome } from "../../../../protocol/machine.ts";
import { awaitHealth } from "../../health/patience.ts";
import { type ClusterApi, clusterApi } from "./api.ts";
import { awaitChecks, awaitRollouts } from "./checks.ts";
import { type ClusterParts, type Furnished, short, untouched } from "./cluster.ts";
import type { Opened } from "./door.ts";
import type { Gate, Traffic } from "./gate.ts";
import { replyOf } from "./observation.ts";
import { programOf } from "./program.ts";
import { type ClusterRecord, type ClusterRecords, clusterRecords, type Written } from "./record.ts";
import { type Rehearsal, runProgram } from "./rehearse.ts";
import { awaitedPath } from "./rollout.ts";
import { faultsOf, named, passedOver } from "./traffic.ts";
import { overtaken } from "./turn.ts";

export interface Ready {
  readonly gate: Gate;
  readonly records: ClusterRecords;
  /** What the cluster has; null where nobody knows, as after a deploy that was cut off. */
  readonly running: string | null;
  /** The last one that was applied and verified: what is put back. */
  readonly earlier: string | null;
  readonly rehearsal: Rehearsal;
}

/** Between two tries of a way to the cluster (ms). */
const REOPEN_MS = 250;
/** Fields that somebody else has taken: kluctl leaves them as they are, and exits with 0. */
const LOST_FIELD = /Not updating field '[^']{1,512}' as we lost field ownership/gu;

/** Past the point of no return: the cluster is brought to the new program's state, or the earlier program is applied again. */
export async function settleCluster(parts: Furnished, ready: Ready): Promise<MachineOutcome> {
  const { work, clock } = parts;
  const { gate, records, running, rehearsal } = ready;
  const { activationSeconds, confirmationSeconds } = work.limits;
  await parts.step("activate");
  const turned = await turn(parts, records, "applying", rehearsal.program.system);
  if (turned.kind !== "written") return notTurned(turned, "activate", running);
  const { end, traffic } = await runProgram(
    parts,
    gate,
    rehearsal.program,
    { ...applying(parts, records), mayDelete: rehearsal.mayDelete },
    { dry: false, prune: parts.tool.prune, timeoutSeconds: activationSeconds },
  );
  const wrong = [...faultsOf(end, traffic), ...passedOver(rehearsal.dry, traffic)];
  if (wrong.length > 0) {
    const why = `${wrong.join("\n")}\n${end.log}`;
    if (traffic.written.size > 0 || traffic.deleted.size > 0)
      return await takeBack(parts, ready, { step: "activate", why, traffic });
    const closed = await close(parts, records, running);
    return closed ?? untouched("activate", why, running);
  }
  for (const line of named("deleted", [...traffic.deleted.keys()])) parts.say(line);

  const deadline = clock.now() + confirmationSeconds * 1_000;
  await parts.step("confirm");
  // Over a connection that was not there before, and with a login of its own.
  const again = await reopened(parts, deadline);
  if (again.kind !== "open")
    return await takeBack(parts, ready, { step: "confirm", why: again.why, traffic });
  try {
    const api = clusterApi(again.door.socket, work.limits.connectSeconds);
    const fresh = clusterRecords(api, parts.cluster.namespace, parts.owner);
    const applied = await turn(parts, fresh, "applied", rehearsal.program.system);
    if (applied.kind !== "written") return notTurned(applied, "confirm", null);

    await parts.step("health");
    const sick = await verify(parts, api, traffic, deadline);
    if (sick.length > 0)
      return await takeBack(parts, ready, { step: "health", why: sick.join("\n"), traffic });

    await parts.step("commit");
    const left = [...new Set(end.log.match(LOST_FIELD) ?? [])].slice(0, 32);
    return await commit(parts, fresh, rehearsal.program.system, left);
  } finally {
    await again.door.close();
  }
}

/** Workloads that were written, what the repository asks of the cluster, and health from outside. */
async function verify(
  parts: ClusterParts,
  api: ClusterApi,
  { written }: Traffic,
  deadline: number,
): Promise<string[]> {
  const { tool, cluster, env, clock, work } = parts;
  const asking = { api, target: cluster.target, env, clock };
  const paths = [...written.keys()].flatMap((object) => awaitedPath(object) ?? []);
  const rolledOut = await awaitRollouts(paths, asking, deadline);
  if (rolledOut.length > 0) return rolledOut;
  const [checked, healthy] = await Promise.all([
    awaitChecks(tool.checks, asking, deadline),
    awaitHealth(
      work.health,
      async (check) =>
        check.kind === "unit" || check.kind === "command"
          ? "needs a machine"
          : await parts.probe(check),
      clock,
      deadline,
    ),
  ]);
  return [...checked, ...healthy];
}

async function commit(
  parts: ClusterParts,
  records: ClusterRecords,
  system: string,
  notices: string[],
): Promise<MachineOutcome> {
  const { work, clock } = parts;
  const written = await records.change((record) => {
    if (record === null || record.counter !== work.counter) return overtaken(record);
    const now = clock.now();
    const number = (record.history[0]?.number ?? 0) + 1;
    const history = [{ number, system, at: now }, ...record.history];
    return {
      ...record,
      state: "ended",
      since: now,
      system,
      target: null,
      history: history.slice(0, OBSERVATION.generations),
    };
  });
  if (written.kind !== "written") return notTurned(written, "commit", null);
  await parts.step("read-back");
  const seen = await records.read();
  await parts.observed(replyOf(seen, clock.now()));
  const running = seen.kind === "read" ? (seen.record?.system ?? null) : null;
  if (running !== system)
    return { kind: "unknown", step: "read-back", why: "the record says something else", running };
  return {
    kind: "active",
    system,
    generation: written.record.history[0]?.number ?? null,
    notices,
    running,
  };
}

type Sick = { step: DeployStep; why: string; traffic: Traffic };

/** The earlier program is applied again; what only the newer one has made stays, and is named. */
async function takeBack(
  parts: Furnished,
  { gate, records, earlier: system }: Ready,
  sick: Sick,
): Promise<MachineOutcome> {
  const { place, work } = parts;
  parts.say(`taken back: ${sick.why}`);
  await parts.step("revert");
  const unknown = async (why: string): Promise<MachineOutcome> => {
    await close(parts, records, null);
    const text = `${why}. It was to be taken back because of this: ${sick.why}`;
    return { kind: "unknown", step: "revert", why: short(text), running: null };
  };
  const turned = await turn(parts, records, "reverting", system);
  if (turned.kind !== "written") return notTurned(turned, "revert", null);
  if (system === null) return await unknown("no earlier deploy of this cluster is known");
  const { activationSeconds, confirmationSeconds, connectSeconds } = work.limits;
  const earlier = await programOf(place, system, work.limits.copySeconds);
  if (earlier.kind !== "built") return await unknown(earlier.why);
  const { end, traffic } = await runProgram(
    parts,
    gate,
    earlier.program,
    { ...applying(parts, records), mayDelete: new Set() },
    { dry: false, prune: false, timeoutSeconds: activationSeconds },
  );
  const wrong = faultsOf(end, traffic);
  if (wrong.length > 0) return await unknown(`${wrong.join("\n")}\n${end.log}`);
  const deadline = parts.clock.now() + confirmationSeconds * 1_000;
  const again = await reopened(parts, deadline);
  if (again.kind !== "open") return await unknown(again.why);
  try {
    const api = clusterApi(again.door.socket, connectSeconds);
    const { target } = parts.cluster;
    const paths = [...traffic.written.keys()].flatMap((object) => awaitedPath(object) ?? []);
    const asking = { api, target, env: parts.env, clock: parts.clock };
    const down = await awaitRollouts(paths, asking, deadline);
    if (down.length > 0) return await unknown(down.join("\n"));
  } finally {
    await again.door.close();
  }
  const closed = await close(parts, records, system);
  if (closed !== null) return closed;
  await parts.observed(replyOf(await records.read(), parts.clock.now()));
  const left = [...sick.traffic.written.keys()].filter((object) => !traffic.written.has(object));
  const why = [sick.why, ...named("still there, for only the newer program made them", left)];
  return {
    kind: "rolled-back",
    step: sick.step,
    why: short(why.join("\n")),
    failedUnits: [],
    running: system,
  };
}

/** A new way to the cluster, tried for as long as the confirmation may take. */
async function reopened({ open, clock }: ClusterParts, until: number): Promise<Opened> {
  for (;;) {
    const opened = await open();
    if (opened.kind === "open" || clock.now() + REOPEN_MS > until) return opened;
    await new Promise<void>((resolve) => {
      clock.after(REOPEN_MS, resolve);
    });
  }
}

function applying(
  { cluster, work }: ClusterParts,
  records: ClusterRecords,
): { kind: "apply"; namespace: string; fence: () => Promise<string | null> } {
  return {
    kind: "apply",
    namespace: cluster.namespace,
    fence: async () => {
      const seen = await records.read();
      if (seen.kind !== "read") return seen.why;
      return seen.record?.counter === work.counter ? null : overtaken(seen.record).why;
    },
  };
}

async function turn(
  { work, clock }: ClusterParts,
  records: ClusterRecords,
  state: ClusterRecord["state"],
  target: string | null,
): Promise<Written> {
  const { counter, limits } = work;
  return await records.change((record) => {
    if (record === null || record.counter !== counter) return overtaken(record);
    const now = clock.now();
    const seconds = limits.activationSeconds + limits.confirmationSeconds;
    return { ...record, state, target, since: now, until: now + seconds * 1_000 };
  });
}

/** Null: it is closed. Else what is known when it is not. */
async function close(
  { work, clock, say }: ClusterParts,
  records: ClusterRecords,
  system: string | null,
): Promise<MachineOutcome | null> {
  const closed = await records.change((record) =>
    record?.counter === work.counter
      ? { ...record, state: "ended", since: clock.now(), system, target: null }
      : overtaken(record),
  );
  if (closed.kind === "written") return null;
  say(`not closed in the cluster: ${closed.why}`);
  return notTurned(closed, "revert", null);
}

/** `activate` is the only step at which nothing was applied yet. */
function notTurned(
  fault: Exclude<Written, { kind: "written" }>,
  step: DeployStep,
  running: string | null,
): MachineOutcome {
  return step === "activate"
    ? untouched(step, fault.why, fault.kind === "refused" ? null : running)
    : { kind: "unknown", step, why: short(fault.why), running };
}
