import type { JobRow } from "../../../core/run/index.ts";
import {
  attributes,
  attributesNeed,
  missing,
  missingNeed,
  offered,
  results,
  stale,
} from "../../../core/run/index.ts";
import type { DataReply, ToRun } from "../../../protocol/data.ts";
import type { AttemptClaims } from "../../channel/index.ts";
import { commit, type Context, header } from "./context.ts";
import { refusedNews, takeNews } from "./deploy/frames.ts";
import { keepInventory, takeBase, takeDifference } from "./impact.ts";
import { builderOf, unproven } from "./provenance.ts";
import {
  endClaims,
  isFenced,
  takeClaim,
  takeFailed,
  takeNeeds,
  takeRelease,
  unsetAdrift,
} from "./exchange.ts";

/** Number of a job within its run. */
export function jobNumber(job: string): number {
  return Number(job.slice(job.lastIndexOf(".") + 1));
}

/** Which kinds of jobs say what. */
const SAID_BY: Readonly<Record<ToRun["kind"], readonly JobRow["kind"][]>> = {
  attributes: ["evaluate"],
  evaluated: ["evaluate"],
  results: ["build"],
  claim: ["build"],
  release: ["build"],
  failed: ["build"],
  needs: ["build"],
  impact: ["impact"],
  planned: ["plan"],
  observed: ["observe", "deploy"],
  step: ["deploy"],
  deployed: ["deploy"],
};

/** Looked at before anything of a frame is committed: why it does not count, null where it does. */
export function refused(context: Context, claims: AttemptClaims, body: ToRun): string | null {
  const job = context.store.job(jobNumber(claims.job));
  const reason = stale(job, claims.attempt);
  if (reason !== null || job === null) return reason ?? "the run has no such job";
  if (isFenced(context, { job: job.number, attempt: claims.attempt }))
    return "nothing was heard of the attempt, and others build what it was to build";
  if (!SAID_BY[body.kind].includes(job.kind))
    return `a job of kind ${job.kind} says nothing of kind ${body.kind}`;
  switch (body.kind) {
    case "results":
      return unproven(header(context), claims, body.results);
    case "planned":
    case "observed":
    case "step":
    case "deployed":
      return refusedNews(context, job.number, body);
    default:
      return null;
  }
}

/**
 * Commits a frame of an attempt that is current. Synchronous: the channel acknowledges after it.
 * @param answer goes back to the attempt once the frame is committed.
 */
export function take(
  context: Context,
  claims: AttemptClaims,
  body: ToRun,
  answer: (body: DataReply) => void,
): void {
  const { store } = context;
  const number = jobNumber(claims.job);
  // The attempt was handed out, whether or not the Fleet's word of it has come.
  if ((store.job(number)?.attempt ?? 0) < claims.attempt) {
    commit(context, () =>
      offered(
        store.slice({ jobs: store.jobs("number = ?", number) }),
        number,
        claims.attempt,
        claims.runner,
      ),
    );
    endClaims(context, number, claims.attempt);
  }
  unsetAdrift(context, { job: number, attempt: claims.attempt });
  switch (body.kind) {
    case "impact":
      return takeDifference(context, body.difference);
    case "attributes": {
      if (store.job(number)?.aside === "base") return takeBase(context, body.attributes);
      const { keys, drvs } = attributesNeed(body.attributes);
      commit(context, () =>
        attributes(
          store.slice({
            attributes: store.attributesByKey(keys),
            derivations: store.derivationsByDrv(drvs),
          }),
          body.attributes,
        ),
      );
      return;
    }
    case "results": {
      const drvs = [...new Set(body.results.map(({ drv }) => drv))];
      commit(context, () =>
        results(
          store.slice({
            jobs: store.jobs("number = ?", number),
            ...store.withAttributes(store.derivationsByDrv(drvs)),
          }),
          number,
          claims.attempt,
          body.results,
          builderOf(header(context), claims),
        ),
      );
      return;
    }
    case "evaluated": {
      // What there is to say of the base was said when it was the head.
      if (store.job(number)?.aside === "base") return;
      commit(
        context,
        () =>
          missing(
            store.slice({
              attributes: store.attributesByKey(missingNeed(store.run(), body.missing)),
            }),
            body,
          ),
        () => {
          store.set({
            evaluator_name: body.evaluator,
            evaluator_degraded: body.degraded,
            evaluator_seconds: body.seconds,
            evaluator_bytes: body.peakBytes,
            ...(body.impure === true ? { tree_key: null } : {}),
          });
          for (const warning of body.warnings) store.notice(warning);
          for (const finding of body.findings ?? []) store.find(finding);
          keepInventory(context, body.inventory ?? []);
        },
      );
      return;
    }
    case "claim":
      return answer(takeClaim(context, number, claims.attempt, body));
    case "release":
      return takeRelease(context, number, claims.attempt, body);
    case "failed":
      return takeFailed(context, body);
    case "needs":
      return takeNeeds(context, number, body);
    case "planned":
    case "observed":
    case "step":
    case "deployed":
      return takeNews(context, number, body);
  }
}
