import type { Changes } from "../../../core/run/index.ts";
import { conclude, settle } from "../../../core/run/index.ts";
import type { DataReply } from "../../../protocol/data.ts";
import type { JobKind } from "../../../protocol/specification.ts";
import type { Environment } from "../../environment.ts";
import {
  type FleetContract,
  objectName,
  type RepoContract,
  type WriterContract,
} from "../contracts.ts";
import type { Header } from "./rows.ts";
import type { Store } from "./store.ts";
import type { Tasks } from "./tasks.ts";

/** Pauses between reports of progress (ms): a tenth of the run's age, within these. The final one waits for nobody. */
const PROGRESS = { least: 10_000, most: 120_000 } as const;

/** How often a run that has jobs asks whether the Fleet still has them (ms). */
export const WATCH = 10 * 60_000;

/** What the Run's parts share: its rows, what is due, its neighbours, the time. */
export type Context = {
  env: Environment;
  storage: DurableObjectStorage;
  store: Store;
  tasks: Tasks;
  now: () => number;
  /** Says it to every attempt that is connected, once what is being written is committed. */
  tell: (body: DataReply) => void;
};

/** The run's row; tasks are only made for a run that was started. */
export function header({ store }: Context): Header {
  const found = store.header();
  if (found === null) throw new Error("the run was not started");
  return found;
}

export function writer({ env }: Context, { identity }: Header): WriterContract {
  return env.WRITER.getByName(objectName.writer(identity.host, identity.installation));
}

export function repo({ env }: Context, { identity }: Header): RepoContract {
  return env.REPO.getByName(objectName.repo(identity.host, identity.repository.id));
}

export function fleet({ env }: Context, { identity }: Header): FleetContract {
  return env.FLEET.getByName(objectName.fleet(identity.host, identity.account.id));
}

/** A rollout goes on when one of these is over. */
function isOfMachines(kind: JobKind): boolean {
  return kind === "plan" || kind === "observe" || kind === "deploy";
}

/** What is large and nobody waits for begins when the checks of the run have left (ms). */
const ASIDE = 2_000;

/**
 * Writes what core decided, ends the run if that was the last, and makes due what follows from the rows. Synchronous
 * and in one transaction: called between two awaits.
 */
export function commit(context: Context, decide: () => Changes, also?: () => void): Changes {
  const { storage, store, tasks } = context;
  return storage.transactionSync(() => {
    const now = context.now();
    const before = store.run();
    const changes = decide();
    store.save(changes, now);
    also?.();
    const settled = settle(store.slice());
    store.save(settled, now);
    const { phase, stopped } = settled.run;
    const waiting = changes.jobs.filter(({ state }) => state === "new");
    if (waiting.length > 0) {
      tasks.at("enqueue", Math.max(now, Math.min(...waiting.map(({ notBefore }) => notBefore))));
      tasks.at("watch", now + WATCH);
    }
    if (changes.jobs.some(({ cancel }) => cancel !== null)) tasks.at("cancel", now);
    if (changes.derivations.some(({ state }) => state === "unknown")) tasks.at("recall", now);
    if (
      changes.derivations.some(({ state }) => state === "ready") ||
      (before.evaluation === null && settled.run.evaluation !== null)
    )
      tasks.at("lease", now);
    if (changes.derivations.some(({ remember }) => remember)) tasks.at("remember", now);
    // Just before a report that is due, which shall hold it; a push has nothing to hold, and only keeps its own.
    if (
      before.evaluation === null &&
      settled.run.evaluation?.kind === "succeeded" &&
      header(context).reason.kind !== "deploy"
    )
      tasks.at("compare", header(context).reason.kind === "push" ? now + ASIDE : now - 1);
    if (
      changes.derivations.some(({ state }) => state === "done") &&
      store.exists("SELECT 1 FROM wait")
    )
      tasks.at("needs", now);
    for (const { aside, state } of changes.jobs)
      if (aside !== null && state === "finished") {
        tasks.at(aside === "base" ? "compare" : "impact", now);
        // There is never more than one of them.
        tasks.drop("aside");
      }
    if (
      stopped !== null &&
      phase !== "finished" &&
      (settled.run.pending > 0 || settled.run.openDerivations > 0)
    )
      tasks.at("sweep", now);
    const moved = before.phase !== phase;
    if (moved && phase === "deploying") tasks.at("rollout", now);
    if (changes.jobs.some(({ kind, state }) => state === "finished" && isOfMachines(kind)))
      tasks.at("rollout", now);
    if (moved && phase === "finished")
      store.set({ finished_at: now, conclusion: conclude(settled.run, store.counts()) });
    if (moved && (phase === "finished" || phase === "waiting-approval")) {
      tasks.at("report", now);
      for (const task of phase === "finished"
        ? (["tell", "tree", "index"] as const)
        : (["index"] as const))
        tasks.at(task, now);
      if (phase === "finished") tasks.at("archive", now + ASIDE);
      if (phase === "finished" && stopped === null) tasks.at("impact", now + ASIDE);
    } else if (moved || changes.counts.length > 0 || changes.attributes.length > 0) {
      const { reportedAt, createdAt } = header(context);
      const pause = Math.min(PROGRESS.most, Math.max(PROGRESS.least, (now - createdAt) / 10));
      tasks.at("report", Math.max(now, (reportedAt ?? 0) + Math.round(pause)));
    }
    return settled;
  });
}
