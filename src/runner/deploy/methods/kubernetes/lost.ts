import type { MachineOutcome } from "../../../../protocol/machine.ts";
import { clusterApi } from "./api.ts";
import { type ClusterParts, untouched } from "./cluster.ts";
import { replyOf } from "./observation.ts";
import { clusterRecords } from "./record.ts";
import { overtaken } from "./turn.ts";

/**
 * What an earlier life of the runner began: nothing of it is begun again. Its counter can do nothing from then on, and what is
 * told is what the record proves. A program that was cut off has made nobody knows what of the cluster.
 */
export async function closeLostCluster(parts: ClusterParts): Promise<MachineOutcome> {
  const { work, cluster, clock, owner } = parts;
  await parts.step("connect");
  const opened = await parts.open();
  if (opened.kind !== "open")
    return { kind: "unknown", step: "connect", why: opened.why, running: null };
  try {
    const api = clusterApi(opened.door.socket, work.limits.connectSeconds);
    const records = clusterRecords(api, cluster.namespace, owner);
    const before = await records.read();
    await parts.observed(replyOf(before, clock.now()));
    if (before.kind !== "read")
      return { kind: "unknown", step: "connect", why: before.why, running: null };
    const { record } = before;
    const running = record?.system ?? null;
    if (record === null || record.counter < work.counter)
      return untouched("begin", "the runner was restarted before it began", running);
    if (record.counter > work.counter)
      return { kind: "unknown", step: "connect", why: overtaken(record).why, running };
    if (record.state === "ended") {
      const [newest] = record.history;
      const isOurs = newest !== undefined && newest.system === running && newest.at >= record.since;
      return isOurs
        ? {
            kind: "active",
            system: newest.system,
            generation: newest.number,
            notices: [],
            running: newest.system,
          }
        : untouched("activate", "the runner was restarted, and had taken nothing over", running);
    }
    const wasApplying = record.state !== "begun";
    const closed = await records.change((now) =>
      now?.counter === work.counter
        ? {
            ...now,
            state: "ended",
            since: clock.now(),
            system: wasApplying ? null : now.system,
            target: null,
          }
        : overtaken(now),
    );
    if (closed.kind !== "written")
      return { kind: "unknown", step: "connect", why: closed.why, running: null };
    return wasApplying
      ? {
          kind: "unknown",
          step: "activate",
          why: `the runner was restarted while the deploy was ${record.state}: what its program has made of the cluster is not known`,
          running: null,
        }
      : untouched("begin", "the runner was restarted before anything was applied", running);
  } finally {
    await opened.door.close();
  }
}
