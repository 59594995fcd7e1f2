import type { ClusterRecord, Refusal } from "./record.ts";

/** Whether a deploy may begin on what is recorded; null: it may. */
export function refusal(
  record: ClusterRecord | null,
  counter: number,
  expected: string | null,
  now: number,
): Refusal | null {
  if (record === null)
    return expected === null
      ? null
      : {
          kind: "refused",
          code: "moved",
          why: `nothing was ever applied, and ${expected} was expected`,
        };
  if (counter <= record.counter)
    return {
      kind: "refused",
      code: "stale-counter",
      why: `this cluster has accepted deploy ${record.counter}`,
    };
  const isUnderWay = record.state !== "ended" && record.state !== "begun";
  if (isUnderWay && now < record.until)
    return { kind: "refused", code: "busy", why: `deploy ${record.counter} is ${record.state}` };
  if (expected !== null && record.system !== expected)
    return {
      kind: "refused",
      code: "moved",
      why: `${record.system ?? "nothing that is known"} was applied last, and ${expected} was expected`,
    };
  return null;
}

/** Why a step of an older deploy is not taken. */
export function overtaken(record: ClusterRecord | null): Refusal {
  return {
    kind: "refused",
    code: "stale-counter",
    why: `deploy ${record?.counter ?? 0} has taken the cluster over`,
  };
}
