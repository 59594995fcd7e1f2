import type { Specification } from "../../../protocol/specification.ts";
import { PROTOCOL_VERSION } from "../../../protocol/version.ts";
import type { QueuedJob } from "../contracts.ts";

/** An offer must be taken within this time (ms). */
const CLAIM = 10 * 60_000;
/** An attempt may speak this long (ms): the longest limits of a job and the time to come back after an outage. */
export const SPEAKS = 24 * 60 * 60_000;

/** The JSON text of what the runner is told, to be signed and sent as it is. */
export function specificationText(
  request: QueuedJob,
  to: { host: string; account: number; runner: string; attempt: number; exchange: string | null },
  now: number,
): string {
  const { id, owner, name, private: isPrivate } = request.repository;
  const specification: Specification = {
    protocol: PROTOCOL_VERSION,
    host: to.host,
    account: to.account,
    repository: { id, owner, name, private: isPrivate },
    run: request.run,
    job: request.job,
    attempt: to.attempt,
    runner: to.runner,
    pool: request.pool,
    policy: request.policy,
    issuedAt: now,
    expiresAt: now + CLAIM,
    work: workFor(request, to.exchange),
  };
  return JSON.stringify(specification);
}

/** A build passes through the exchange only at a runner that has the one of the run. */
function workFor({ work, exchange }: QueuedJob, own: string | null): QueuedJob["work"] {
  return work.kind === "build" && exchange !== null && exchange === own
    ? { ...work, exchange }
    : work;
}
