import * as z from "zod";
import { type ClusterApi, describeAnswer } from "./api.ts";

/** Workloads whose beginning can be waited for, by how `describeObject` names them. */
const WORKLOAD =
  /^(?<resource>deployments|statefulsets|daemonsets)\.apps (?<namespace>[^/]+)\/(?<name>[^*…]+)$/u;
const JOB = /^jobs\.batch (?<namespace>[^/]+)\/(?<name>[^*…]+)$/u;

const Count = z.int().nonnegative().optional();
const Workload = z.object({
  metadata: z.object({ generation: z.int().optional() }),
  spec: z.object({ replicas: Count }),
  status: z
    .object({
      observedGeneration: z.int().optional(),
      replicas: Count,
      updatedReplicas: Count,
      readyReplicas: Count,
      availableReplicas: Count,
      desiredNumberScheduled: Count,
      updatedNumberScheduled: Count,
      numberReady: Count,
    })
    .optional(),
});
const Job = z.object({
  status: z
    .object({
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            message: z.string().max(4_096).optional(),
          }),
        )
        .optional(),
    })
    .optional(),
});

/** How far something has come: `failed` will not come any further by itself. */
export type Progress =
  | { kind: "done" }
  | { kind: "waits"; why: string }
  | { kind: "failed"; why: string };
const waits = (why: string): Progress => ({ kind: "waits", why });

/**
 * The path of a written object that has to come up, or null for one that is there as soon as it is written. kluctl waits for
 * none unless told so (`waitReadiness`), and then calls a DaemonSet ready that lacks `maxUnavailable` pods: on one node,
 * all of them (kluctl/kluctl pkg/deployment/utils/apply_utils.go, pkg/validation/validation.go@b8269b5).
 */
export function awaitedPath(object: string): string | null {
  const workload = WORKLOAD.exec(object)?.groups;
  if (workload !== undefined)
    return `/apis/apps/v1/namespaces/${workload["namespace"] ?? ""}/${workload["resource"] ?? ""}/${workload["name"] ?? ""}`;
  const job = JOB.exec(object)?.groups;
  return job === undefined ? null : jobPath(job["namespace"] ?? "", job["name"] ?? "");
}

export function jobPath(namespace: string, name: string): string {
  return `/apis/batch/v1/namespaces/${namespace}/jobs/${name}`;
}

/** Asks once. */
export async function progressOf(api: ClusterApi, path: string): Promise<Progress> {
  const answer = await api.ask("GET", path);
  if (answer.kind === "lost") return waits(describeAnswer(answer));
  if (answer.status === 404) return waits("it is not there");
  if (answer.status !== 200) return { kind: "failed", why: describeAnswer(answer) };
  return path.startsWith("/apis/batch/") ? ofJob(answer.body) : ofWorkload(answer.body);
}

function ofJob(body: unknown): Progress {
  const job = Job.safeParse(body);
  if (!job.success) return waits("its answer is no job");
  const conditions = job.data.status?.conditions ?? [];
  const failed = conditions.find(({ type, status }) => type === "Failed" && status === "True");
  if (failed !== undefined)
    return { kind: "failed", why: failed.message ?? "the job says that it failed" };
  return conditions.some(({ type, status }) => type === "Complete" && status === "True")
    ? { kind: "done" }
    : waits("it is not complete");
}

function ofWorkload(body: unknown): Progress {
  const workload = Workload.safeParse(body);
  if (!workload.success) return waits("its answer is no workload");
  const { metadata, spec, status } = workload.data;
  if ((status?.observedGeneration ?? -1) < (metadata.generation ?? 0))
    return waits("its controller has not looked at it");
  const isDaemon = status?.desiredNumberScheduled !== undefined;
  const wanted = isDaemon ? (status.desiredNumberScheduled ?? 0) : (spec.replicas ?? 1);
  const updated = (isDaemon ? status.updatedNumberScheduled : status?.updatedReplicas) ?? 0;
  const ready = (isDaemon ? status.numberReady : status?.readyReplicas) ?? 0;
  if (updated < wanted) return waits(`${updated} of ${wanted} pods are of the new kind`);
  if (!isDaemon && (status?.replicas ?? 0) > wanted) return waits("old pods have not gone");
  return ready < wanted ? waits(`${ready} of ${wanted} pods are ready`) : { kind: "done" };
}
