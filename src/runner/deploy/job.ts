import type {
  DeployStep,
  DeployWork,
  MachineOutcome,
  MachineReference,
  Observation,
} from "../../protocol/machine.ts";
import { LOCAL_DEPLOYS } from "../../protocol/machine.ts";
import type { MachineSpecification, MachineWork } from "../../protocol/specification.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { JobContext } from "../agent/job.ts";
import type { RunMachineJob } from "../jobs/index.ts";
import type { Reply } from "../machine/index.ts";
import { describeFault } from "./engine/parts.ts";
import { type Brought, closureOf } from "./closure.ts";
import type { Closures } from "./closures.ts";
import type { Deployer } from "./deployer.ts";
import { deployOne } from "./deployer.ts";
import { judgeDeploy, judgeEnding, judgeObservation, type Speaker } from "./policy/judge.ts";
import type { DeployPolicy } from "./policy/policy.ts";
import { deployOneCluster, observeCluster } from "./methods/kubernetes/job.ts";
import type { LayOut } from "./methods/place.ts";
import { sourceAccess } from "../source/access.ts";
import { fetchSource } from "../source/index.ts";
import type { LocalRecords } from "./records.ts";
import { secretsFor, textsOf } from "./secrets.ts";
import { targetOf } from "./target.ts";

/** Machines that are looked at together. */
const TOGETHER = 8;
const SUCCEEDED: Verdict = { kind: "succeeded", reused: false };

export interface MachineJobs extends Deployer {
  /** The policy as its file is now: what the operator takes out of it, counts from the next job on. */
  readonly policy: () => Promise<DeployPolicy>;
  readonly records: LocalRecords;
  /** How closures come into the store and stay there; without, they are there or the deploy fails. */
  readonly closures?: Closures;
}

/** Jobs `observe` and `deploy`. They succeed when they could do their work; how a machine ended is its outcome. */
export function machineJobs(jobs: MachineJobs): RunMachineJob {
  return async (specification, context) => {
    const { work } = specification;
    // The stream of an earlier life was closed after it.
    const log = context.sink.log(context.resumed ? "job-after-restart" : "job");
    const encoder = new TextEncoder();
    let written: Promise<void> = Promise.resolve();
    const say = (line: string): void => {
      written = written.then(() => log.write(encoder.encode(`${line}\n`)));
      // Seen where it is awaited.
      written.catch(() => {});
    };
    const policy = await jobs.policy();
    const speaker = { host: specification.host, repository: specification.repository.id };
    if (work.kind === "observe") await observeAll(jobs, policy, speaker, work, context, say);
    else await deploy(jobs, policy, specification, work, context, say);
    await written;
    return SUCCEEDED;
  };
}

async function observeAll(
  jobs: MachineJobs,
  policy: DeployPolicy,
  speaker: Speaker,
  { machines, connectSeconds }: Extract<MachineWork, { kind: "observe" }>,
  context: JobContext,
  say: (line: string) => void,
): Promise<void> {
  const left = [...machines];
  const worker = async (): Promise<void> => {
    for (let machine = left.shift(); machine !== undefined; machine = left.shift()) {
      const reply = await observe(jobs, policy, speaker, machine, connectSeconds, context, say);
      await tellObserved(jobs, context, machine, reply);
    }
  };
  await Promise.all(Array.from({ length: Math.min(TOGETHER, machines.length) }, worker));
}

async function observe(
  jobs: MachineJobs,
  policy: DeployPolicy,
  speaker: Speaker,
  reference: MachineReference,
  connectSeconds: number,
  { signal, refused }: JobContext,
  say: (line: string) => void,
): Promise<Reply<Observation>> {
  const judged = judgeObservation(policy, speaker, reference);
  say(`${reference.name}: ${judged.kind === "refused" ? judged.why : "observed"}`);
  if (judged.kind === "refused") {
    await refused("policy", judged.why);
    return { kind: "unreachable", why: judged.why };
  }
  if (judged.kind === "cluster")
    return await observeCluster(judged.cluster, {
      connectSeconds,
      signal,
      toolFolder: jobs.tools?.toolFolder ?? null,
      clock: jobs.clock,
    });
  const machine = await jobs.connect(targetOf(judged.machine, "observe"), {
    connectSeconds,
    signal,
    now: () => jobs.clock.now(),
    env: jobs.env,
  });
  try {
    return await machine.observe();
  } finally {
    await machine.close();
  }
}

async function tellObserved(
  { records }: MachineJobs,
  { sink }: JobContext,
  machine: MachineReference,
  reply: Reply<Observation>,
): Promise<void> {
  const { deploys, told } = await records.of(machine.hostKey, LOCAL_DEPLOYS);
  await sink.machine({
    kind: "observed",
    machine,
    result:
      reply.kind === "done"
        ? { kind: "observation", observation: reply.value }
        : { kind: "unreachable", why: describeFault(reply).slice(0, 4_096) },
    ...(deploys.length === 0 ? {} : { local: deploys }),
  });
  await told();
}

async function deploy(
  jobs: MachineJobs,
  policy: DeployPolicy,
  { host, repository, run }: MachineSpecification,
  work: DeployWork,
  context: JobContext,
  say: (line: string) => void,
): Promise<void> {
  const speaker = { host, repository: repository.id };
  const { sink, signal } = context;
  const here = { of: { repository, run }, hostKey: work.machine.hostKey };
  const end = async (outcome: MachineOutcome): Promise<void> => {
    say(`${work.machine.name}: ${outcome.kind}`);
    await jobs.closures?.ended(here, outcome);
    await sink.machine({ kind: "deployed", machine: work.machine.name, outcome });
  };
  // What it allowed when it was begun, is seen to its end: the window may have closed since.
  const now = jobs.clock.now();
  const judged = context.resumed
    ? judgeEnding(policy, speaker, work)
    : judgeDeploy(policy, speaker, work, now);
  if (judged.kind === "refused") {
    await context.refused("policy", judged.why);
    return await end({ kind: "held", why: judged.why, running: null });
  }
  const told = {
    step: async (step: DeployStep) => {
      say(`step: ${step}`);
      await sink.machine({ kind: "step", machine: work.machine.name, step });
    },
    observed: async (reply: Reply<Observation>) =>
      await tellObserved(jobs, context, work.machine, reply),
    say,
  };
  const layOut = layOutOf(work, speaker, context, say);
  const { seal, resumed } = context;
  if (judged.kind === "cluster") {
    const { tools, clock } = jobs;
    const { cluster } = judged;
    if (tools === undefined)
      return await end({ kind: "held", why: "this runner has no place for tools", running: null });
    return await end(
      await deployOneCluster({
        work,
        policy,
        cluster,
        tools,
        layOut,
        clock,
        signal,
        seal,
        resumed,
        ...told,
      }),
    );
  }
  const closure: Brought = context.resumed
    ? { kind: "closure", manifest: null }
    : await closureOf(work, speaker, policy, context.manifests, async (system) =>
        jobs.closures === undefined ? null : await jobs.closures.bring({ ...here, system }, signal),
      );
  if (closure.kind === "refused") {
    await context.refused("manifest", closure.why);
    return await end({ kind: "failed-untouched", step: "verify", why: closure.why, running: null });
  }
  if (closure.kind === "absent")
    return await end({ kind: "failed-untouched", step: "copy", why: closure.why, running: null });
  // What is only seen to its end, or done by Snowcat's own hand, needs none.
  const secrets =
    context.resumed || work.tool === null
      ? ({ kind: "read", files: [] } as const)
      : await secretsFor(policy, speaker, judged.name, work);
  if (secrets.kind === "missing")
    return await end({ kind: "not-prepared", missing: secrets.missing, running: null });
  for (const one of textsOf(secrets.files)) context.mask(one);
  await end(
    await deployOne(jobs, {
      secrets: secrets.files,
      work,
      policy,
      machine: judged.machine,
      manifest: closure.manifest,
      layOut,
      signal,
      mask: context.mask,
      seal,
      resumed,
      ...told,
    }),
  );
}

/** The approved tree, as other jobs have theirs: fetched by its commit, and insisted on. */
function layOutOf(
  { source }: DeployWork,
  { host, repository }: Speaker,
  context: JobContext,
  say: (line: string) => void,
): LayOut {
  return async (workspace) => {
    if (source === null) return { kind: "refused", why: "the deploy names no tree for its tool" };
    const fetched = await fetchSource({
      workspace,
      mirrors: null,
      repository: `${host}/${repository}`,
      source,
      place: "job",
      access: sourceAccess(source.cloneUrl, {
        source: context.cloneToken,
        others: context.inputToken,
      }),
      signal: context.signal,
      say,
    });
    if (fetched.kind === "fetched") return { kind: "tree", tree: fetched.tree };
    const { verdict } = fetched;
    return { kind: "refused", why: "message" in verdict ? verdict.message : verdict.kind };
  };
}
