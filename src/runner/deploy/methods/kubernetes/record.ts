import * as z from "zod";
import { DeployCounter, OBSERVATION } from "../../../../protocol/machine.ts";
import { StorePath } from "../../../../protocol/identifiers.ts";
import { type ClusterApi, describeAnswer } from "./api.ts";

/** What Snowcat keeps in the cluster itself, in one ConfigMap: what a machine's own folder is to a machine. */
export const RECORD = "snowcat";

const ClusterRecord = z.object({
  version: z.literal(1),
  /** The highest deploy counter that was accepted. */
  counter: DeployCounter,
  /** Who wrote it, and how often: a write whose answer was lost is found again by them. */
  owner: z.string().max(64),
  write: z.int().nonnegative(),
  state: z.enum(["begun", "applying", "applied", "reverting", "ended"]),
  /** Unix time (ms), by the runner's clock: since when, and until when nobody else may take an unfinished deploy over. */
  since: z.int(),
  until: z.int(),
  /** The deployment program that was applied and verified last; null: unknown, a deploy was cut off. */
  system: StorePath.nullable(),
  target: StorePath.nullable(),
  /** Newest first. */
  history: z
    .array(z.object({ number: z.int().positive(), system: StorePath, at: z.int() }))
    .max(OBSERVATION.generations),
});
export type ClusterRecord = z.infer<typeof ClusterRecord>;

const ConfigMap = z.object({
  metadata: z.object({ resourceVersion: z.string().min(1) }),
  data: z.object({ record: z.string() }).optional(),
});

export type Refusal = {
  kind: "refused";
  code: "stale-counter" | "busy" | "moved";
  why: string;
};
export type RecordFault =
  /** What has to be there before: the namespace, the permission to keep a ConfigMap in it. */
  | { kind: "missing"; why: string }
  | { kind: "failed"; why: string }
  /** The API could not be reached; of a write nobody knows whether it was done. */
  | { kind: "lost"; why: string };
export type Read =
  | { kind: "read"; record: ClusterRecord | null; version: string | null }
  | RecordFault;
export type Written = { kind: "written"; record: ClusterRecord } | Refusal | RecordFault;

/** How often a write is tried that somebody else's came before. */
const TRIES = 8;

export interface ClusterRecords {
  read(): Promise<Read>;
  /**
   * Reads, decides and writes; the write holds only for what was read (`resourceVersion`), else it is decided again.
   * @param decide gets null where nothing was ever recorded.
   */
  change(
    decide: (
      record: ClusterRecord | null,
    ) => Omit<ClusterRecord, "version" | "owner" | "write"> | Refusal,
  ): Promise<Written>;
}

/** @param owner unlike any other's, of this one deploy. */
export function clusterRecords(api: ClusterApi, namespace: string, owner: string): ClusterRecords {
  const folder = `/api/v1/namespaces/${namespace}/configmaps`;
  const read = async (): Promise<Read> => {
    const answer = await api.ask("GET", `${folder}/${RECORD}`);
    if (answer.kind === "lost") return { kind: "lost", why: describeAnswer(answer) };
    if (answer.status === 404) return { kind: "read", record: null, version: null };
    if (answer.status === 401 || answer.status === 403)
      return { kind: "missing", why: `reading ${where}: ${describeAnswer(answer)}` };
    if (answer.status !== 200)
      return { kind: "failed", why: `reading ${where}: ${describeAnswer(answer)}` };
    const map = ConfigMap.safeParse(answer.body);
    if (!map.success) return { kind: "failed", why: `${where} is not what an API answers` };
    const { data, metadata } = map.data;
    if (data === undefined)
      return { kind: "read", record: null, version: metadata.resourceVersion };
    const record = ClusterRecord.safeParse(json(data.record));
    // Fails closed: what nobody can read holds nobody back, and may hold the highest counter.
    return record.success
      ? { kind: "read", record: record.data, version: metadata.resourceVersion }
      : { kind: "failed", why: `${where} holds a record that cannot be read; a person must look` };
  };
  const where = `the ConfigMap ${RECORD} in the namespace ${namespace}`;
  let writes = 0;

  return {
    read,
    change: async (decide) => {
      for (let tried = 0; tried < TRIES; tried += 1) {
        const found = await read();
        if (found.kind !== "read") return found;
        const decided = decide(found.record);
        if ("kind" in decided) return decided;
        writes += 1;
        const record: ClusterRecord = { ...decided, version: 1, owner, write: writes };
        const body = {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {
            name: RECORD,
            namespace,
            ...(found.version === null ? {} : { resourceVersion: found.version }),
          },
          data: { record: JSON.stringify(record) },
        };
        const answer =
          found.version === null
            ? await api.ask("POST", folder, body)
            : await api.ask("PUT", `${folder}/${RECORD}`, body);
        if (answer.kind === "lost") {
          const again = await read();
          const isThere =
            again.kind === "read" &&
            again.record?.owner === owner &&
            again.record.write === record.write;
          return isThere
            ? { kind: "written", record }
            : { kind: "lost", why: describeAnswer(answer) };
        }
        if (answer.status === 200 || answer.status === 201) return { kind: "written", record };
        if (answer.status === 401 || answer.status === 403 || answer.status === 404)
          return { kind: "missing", why: `writing ${where}: ${describeAnswer(answer)}` };
        // Somebody else's write came before: decided again, on what stands there now.
        if (answer.status !== 409)
          return { kind: "failed", why: `writing ${where}: ${describeAnswer(answer)}` };
      }
      return { kind: "failed", why: `${where} is written by others all the time` };
    },
  };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema says what is wrong with it.
    return null;
  }
}
