import type { Specification } from "../../protocol/specification.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { JobContext, RunJob } from "../agent/job.ts";
import type { RunMemory } from "../nix/build/failure.ts";
import { runMemory } from "../nix/build/failure.ts";
import type { NixFacts } from "../nix/version.ts";
import { readFacts } from "../nix/version.ts";
import { workspaceOf } from "../nix/workspace.ts";
import { fetchSource } from "../source/index.ts";
import { buildJob } from "./build.ts";
import { evaluateJob } from "./evaluate.ts";
import type { EvaluationPlace, Place } from "./place.ts";

/** Runs whose failed derivations are remembered; an older run's are forgotten, and tried again if it comes back. */
const RUNS_REMEMBERED = 64;

/** What one runner remembers between jobs: its Nix, and for each run what has failed. */
export function jobRunner(): RunJob {
  let facts: Promise<NixFacts> | null = null;
  const memories = new Map<string, RunMemory>();
  const memoryOf = (run: string): RunMemory => {
    const memory = memories.get(run) ?? runMemory();
    memories.delete(run);
    memories.set(run, memory);
    for (const oldest of memories.keys())
      if (memories.size > RUNS_REMEMBERED) memories.delete(oldest);
    return memory;
  };
  return async (specification, context) => {
    const job = await context.isolation.openJob(`${specification.job}.${specification.attempt}`);
    const log = jobLog(context);
    try {
      const workspace = workspaceOf(job);
      facts ??= readFacts(workspace);
      facts.catch(() => (facts = null));
      const place: Place = {
        workspace,
        facts: await facts,
        sink: context.sink,
        signal: context.signal,
        now: () => performance.now(),
        say: log.say,
      };
      return await perform(
        specification,
        context,
        place,
        memoryOf(`${specification.repository.id}/${specification.run}`),
      );
    } finally {
      await Promise.all([job.dispose(), log.flush()]);
    }
  };
}

async function perform(
  specification: Specification,
  context: JobContext,
  place: Place,
  memory: RunMemory,
): Promise<Verdict> {
  const { work } = specification;
  const layOut = () => sourceOf(specification, context, place);
  switch (work.kind) {
    case "evaluate": {
      const source = await layOut();
      return source.kind === "refused" ? source.verdict : await evaluateJob(work, source.place);
    }
    case "build":
      return await buildJob(work, place, memory, layOut);
  }
}

async function sourceOf(
  { work: { source } }: Specification,
  context: JobContext,
  place: Place,
): Promise<{ kind: "fetched"; place: EvaluationPlace } | { kind: "refused"; verdict: Verdict }> {
  const { workspace, signal, say } = place;
  const fetched = await fetchSource({
    workspace,
    source,
    token: await context.cloneToken(),
    signal,
    say,
  });
  return fetched.kind === "refused"
    ? fetched
    : { kind: "fetched", place: { ...place, tree: fetched.tree, revision: fetched.revision } };
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
