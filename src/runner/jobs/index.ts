import type { MachineSpecification, TreeSpecification } from "../../protocol/specification.ts";
import type { Source } from "../../protocol/source.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { JobContext, RunJob } from "../agent/job.ts";
import type { Sink } from "../agent/sink.ts";
import type { IsolatedJob, Isolation } from "../isolation/index.ts";
import type { RunMemory } from "../nix/build/failure.ts";
import { runMemory } from "../nix/build/failure.ts";
import type { Exchange } from "../nix/exchange/exchange.ts";
import { MachineRoots } from "../nix/roots/machines.ts";
import { branchOf, rooting } from "../nix/roots/rooted.ts";
import type { RootTable } from "../nix/roots/table.ts";
import { invalidPaths } from "../nix/store/validity.ts";
import type { NixFacts } from "../nix/version.ts";
import { readFacts } from "../nix/version.ts";
import { findJobs } from "../nix/evaluate/jobs/index.ts";
import { workspaceOf } from "../nix/workspace.ts";
import { sourceAccess } from "../source/access.ts";
import { fetchSource } from "../source/index.ts";
import type { Mirrors } from "../source/mirrors.ts";
import { mirrors } from "../source/mirrors.ts";
import { buildJob } from "./build.ts";
import { evaluateJob } from "./evaluate.ts";
import { impactJob } from "./impact.ts";
import type { EvaluationPlace, Place } from "./place.ts";
import { planJob } from "./plan.ts";
import { shareDerivations } from "./share.ts";

/** Runs whose failed derivations are remembered; an older run's are forgotten, and tried again if it comes back. */
const RUNS_REMEMBERED = 64;

/** Jobs of machines, by a runner whose own policy lets it change some. */
export type RunMachineJob = (
  specification: MachineSpecification,
  context: JobContext,
) => Promise<Verdict>;

/**
 * What one runner remembers between jobs: its Nix, and for each run what has failed.
 * @param exchange the runner's, if it has one.
 * @param roots what its store keeps of branches; nothing without.
 * @param machines what it does of machines; nothing without.
 */
export function jobRunner(
  exchange: Exchange | null = null,
  roots: RootTable | null = null,
  machines: RunMachineJob | null = null,
): RunJob {
  const tree = treeJobRunner(exchange, roots);
  return async (specification, context) => {
    const { work } = specification;
    if (work.kind !== "observe" && work.kind !== "deploy")
      return await tree({ ...specification, work }, context);
    if (machines !== null) return await machines({ ...specification, work }, context);
    return {
      kind: "infrastructure",
      message: "this runner has no deploy policy, so there is no machine that it may contact",
      logTail: "",
    };
  };
}

function treeJobRunner(
  exchange: Exchange | null,
  roots: RootTable | null,
): (specification: TreeSpecification, context: JobContext) => Promise<Verdict> {
  let facts: Promise<NixFacts> | null = null;
  let evalJobs: Promise<string | null> | null = null;
  const memories = new Map<string, RunMemory>();
  const memoryOf = (run: string): RunMemory => {
    const memory = memories.get(run) ?? runMemory();
    memories.delete(run);
    memories.set(run, memory);
    for (const oldest of memories.keys())
      if (memories.size > RUNS_REMEMBERED) memories.delete(oldest);
    return memory;
  };
  const stores = new WeakMap<Isolation, Mirrors>();
  const mirrorsOf = (isolation: Isolation): Mirrors | null => {
    // Without isolation there is no user that keeps them to itself, and nobody who clears them away.
    if (isolation.kind === "none") return null;
    const known = stores.get(isolation) ?? mirrors(isolation);
    stores.set(isolation, known);
    return known;
  };
  return async (specification, context) => {
    const kept = mirrorsOf(context.isolation);
    const label = `${specification.job}.${specification.attempt}`;
    const job = await openJob(context.isolation, label, kept);
    const log = jobLog(context);
    try {
      const workspace = workspaceOf(job);
      facts ??= readFacts(workspace);
      facts.catch(() => (facts = null));
      evalJobs ??= findJobs(workspace);
      evalJobs.catch(() => (evalJobs = null));
      const branch = branchOf(specification);
      const rooted =
        roots === null || branch === null
          ? null
          : rooting(
              roots,
              branch,
              specification,
              context.sink,
              async (paths) => {
                const invalid = await invalidPaths(workspace, paths, context.signal);
                return (path) => !invalid.has(path);
              },
              () => context.clock.now(),
            );
      const place: Place = {
        workspace,
        facts: await facts,
        evalJobs: await evalJobs,
        sink: keptPlans(roots, specification, context, rooted?.sink ?? context.sink),
        talk: context.talk,
        exchange: exchangeFor(specification, exchange),
        pool: specification.pool,
        signal: context.signal,
        now: () => performance.now(),
        attest: context.attest,
        say: log.say,
      };
      const verdict = await perform(
        specification,
        context,
        place,
        memoryOf(`${specification.repository.id}/${specification.run}`),
        kept,
      );
      await rooted?.finish(verdict.kind === "succeeded");
      return verdict;
    } finally {
      await Promise.all([job.dispose(), log.flush()]);
    }
  };
}

/** Derivations are put into it by whoever evaluates; a build uses it where the control plane says that others do. */
function exchangeFor({ work }: TreeSpecification, own: Exchange | null): Exchange | null {
  if (own === null || work.kind === "impact") return null;
  // A plan is of closures that another runner of the exchange may have built.
  if (work.kind === "evaluate" || work.kind === "plan") return own;
  return work.exchange === own.id ? own : null;
}

/** What is planned for machines is kept, from before it is told. */
function keptPlans(
  roots: RootTable | null,
  specification: TreeSpecification,
  { clock }: JobContext,
  sink: Sink,
): Sink {
  if (roots === null || specification.work.kind !== "plan") return sink;
  return new MachineRoots(roots).keepingPlans(specification, sink, () => clock.now());
}

/** A job comes before what is kept for later ones. */
async function openJob(
  isolation: Isolation,
  label: string,
  kept: Mirrors | null,
): Promise<IsolatedJob> {
  try {
    return await isolation.openJob(label);
  } catch (error) {
    if (!(await kept?.release())) throw error;
    return await openJob(isolation, label, kept);
  }
}

async function perform(
  specification: TreeSpecification,
  context: JobContext,
  place: Place,
  memory: RunMemory,
  kept: Mirrors | null,
): Promise<Verdict> {
  const { work } = specification;
  const layOut = (source = work.source) => sourceOf(specification, source, context, place, kept);
  switch (work.kind) {
    case "evaluate": {
      const source = await layOut();
      return source.kind === "refused"
        ? source.verdict
        : await evaluateJob(work, shareDerivations(source.place));
    }
    case "build":
      return await buildJob(work, place, memory, layOut);
    case "impact":
      return await impactJob(work, place, layOut);
    case "plan":
      return await planJob(work, place, context, layOut);
  }
}

async function sourceOf(
  { host, repository, work: { selections } }: TreeSpecification,
  source: Source,
  context: JobContext,
  place: Place,
  kept: Mirrors | null,
): Promise<{ kind: "fetched"; place: EvaluationPlace } | { kind: "refused"; verdict: Verdict }> {
  const { workspace, signal, say } = place;
  const access = sourceAccess(source.cloneUrl, {
    source: context.cloneToken,
    others: context.inputToken,
  });
  const fetched = await fetchSource({
    workspace,
    source,
    mirrors: kept,
    repository: `${host}/${repository.id}`,
    // A file is evaluated where it lies; a flake is copied to the store anyway.
    place: selections.some(({ kind }) => kind === "file") ? "job" : "store",
    access,
    signal,
    say,
  });
  if (fetched.kind === "refused") return fetched;
  const { tree, revision } = fetched;
  const inputs = { access, cloneUrl: source.cloneUrl, operator: context.credentials };
  const { shownAs = null } = source;
  return { kind: "fetched", place: { ...place, tree, revision, shownAs, inputs } };
}

/** The job's own stream. Lines go out in order; the job does not wait for each. */
function jobLog(context: JobContext): { say: (line: string) => void; flush: () => Promise<void> } {
  const writer = context.sink.log("job");
  let written: Promise<void> = Promise.resolve();
  let failure: { readonly cause: unknown } | null = null;
  return {
    say(line) {
      const bytes = new TextEncoder().encode(`${line}\n`);
      written = written
        .then(() => writer.write(bytes))
        .catch((cause: unknown) => {
          failure ??= { cause };
        });
    },
    async flush() {
      await written;
      if (failure !== null)
        throw new Error("the job's log could not be written", { cause: failure.cause });
    },
  };
}
