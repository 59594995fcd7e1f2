import type { Clock } from "../../../agent/clock.ts";
import type { Environment } from "../../../process/index.ts";
import { describeEnd, run } from "../../../process/index.ts";
import { type ClusterApi, describeAnswer } from "./api.ts";
import type { ClusterTarget } from "./door.ts";
import type { KubernetesTool } from "./program.ts";
import { jobPath, type Progress, progressOf } from "./rollout.ts";

export type KubernetesCheck = KubernetesTool["checks"][number];

/** Between two looks (ms). */
const PAUSE_MS = 1_000;
/** Of one look into a pod (ms). */
const EXEC_MS = 30_000;

export interface Asking {
  readonly api: ClusterApi;
  readonly target: ClusterTarget;
  /** Of `kubectl exec`, the only way to a file in a pod. */
  readonly env: Environment;
  readonly clock: Clock;
}

/**
 * All of the checks at once, each until it holds, fails for good, or is over its time.
 * @param deadline Unix time (ms) after which nothing is asked any more.
 * @returns what does not hold.
 */
export async function awaitChecks(
  checks: readonly KubernetesCheck[],
  asking: Asking,
  deadline: number,
): Promise<string[]> {
  const ends = await Promise.all(
    checks.map(async (check) => {
      const until = Math.min(deadline, asking.clock.now() + check.timeoutSeconds * 1_000);
      return await waited(nameOf(check), () => once(check, asking), asking.clock, until);
    }),
  );
  return ends.flat();
}

/** Workloads and jobs that were written, by their paths, until each has come up. */
export async function awaitRollouts(
  paths: readonly string[],
  { api, clock }: Asking,
  deadline: number,
): Promise<string[]> {
  const ends = await Promise.all(
    paths.map(
      async (path) =>
        await waited(
          path.split("/").slice(5).join("/"),
          () => progressOf(api, path),
          clock,
          deadline,
        ),
    ),
  );
  return ends.flat();
}

async function waited(
  name: string,
  ask: () => Promise<Progress>,
  clock: Clock,
  until: number,
): Promise<string[]> {
  for (;;) {
    const progress = await ask();
    if (progress.kind === "done") return [];
    if (progress.kind === "failed") return [`${name}: ${progress.why}`];
    if (clock.now() + PAUSE_MS > until) return [`${name}: ${progress.why}, and its time is over`];
    await new Promise<void>((resolve) => {
      clock.after(PAUSE_MS, resolve);
    });
  }
}

async function once(check: KubernetesCheck, asking: Asking): Promise<Progress> {
  switch (check.kind) {
    case "job":
      return await progressOf(asking.api, jobPath(check.namespace, check.name));
    case "answer":
      return await answers(check, asking.api);
    case "file":
      return await holds(check, asking);
  }
}

/** Through the API server: no way into the cluster's network is needed. */
async function answers(
  check: Extract<KubernetesCheck, { kind: "answer" }>,
  api: ClusterApi,
): Promise<Progress> {
  const { namespace, service, port, path } = check;
  const answer = await api.ask(
    "GET",
    `/api/v1/namespaces/${namespace}/services/${service}:${port}/proxy${path}`,
  );
  if (answer.kind === "answered" && answer.status >= 200 && answer.status < 300)
    return { kind: "done" };
  return { kind: "waits", why: describeAnswer(answer) };
}

/** What the file holds is compared, and not told. */
async function holds(
  check: Extract<KubernetesCheck, { kind: "file" }>,
  { target, env }: Asking,
): Promise<Progress> {
  const { namespace, workload, container, path, contains } = check;
  const read = await run(
    [
      "kubectl",
      `--kubeconfig=${target.kubeconfig}`,
      `--context=${target.context}`,
      `--namespace=${namespace}`,
      "exec",
      workload,
      ...(container === null ? [] : [`--container=${container}`]),
      "--",
      "cat",
      path,
    ],
    { env, timeoutMs: EXEC_MS },
  );
  if (read.exitCode !== 0)
    return { kind: "waits", why: `it cannot be read: kubectl exec ${describeEnd(read)}` };
  const text = Buffer.from(read.stdout).toString("utf8");
  const missing = contains.filter((wanted) => !isNamed(text, wanted));
  return missing.length === 0
    ? { kind: "done" }
    : { kind: "waits", why: `it lacks ${missing.join(", ")}` };
}

/** As a word of its own: `node-1` is not in a line that names `node-10`. */
function isNamed(text: string, wanted: string): boolean {
  const isPart = (character: string | undefined): boolean =>
    character !== undefined && /[A-Za-z0-9_-]/u.test(character);
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1))
    if (!isPart(text[at - 1]) && !isPart(text[at + wanted.length])) return true;
  return false;
}

function nameOf(check: KubernetesCheck): string {
  switch (check.kind) {
    case "job":
      return `job ${check.namespace}/${check.name}`;
    case "answer":
      return `service ${check.namespace}/${check.service}:${check.port}${check.path}`;
    case "file":
      return `${check.path} in ${check.namespace}/${check.workload}`;
  }
}
