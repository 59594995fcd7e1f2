import type { Specification } from "../../protocol/specification.ts";

/** For fetching, laying out, planning and reporting, which no limit of the specification covers (s). */
const AROUND = 30 * 60;
/** The attempt's token is good for 24 h; four remain to bring the end home after an outage (s). */
const LONGEST = 20 * 3_600;
/** A job that was told to stop may take this long: SIGTERM, 10 s, SIGKILL, sweep, and the last bytes of its logs (ms). */
export const STOPS_WITHIN = 60_000;

/**
 * The longest that an attempt may hold its slot (s), by the agent's own clock: the sum of the specification's limits
 * with a margin. The limits themselves are the job's to keep; this one ends a job that fails to.
 */
export function longest({ work }: Pick<Specification, "work">): number {
  return Math.min(LONGEST, AROUND + 1.2 * sumOf(work));
}

function sumOf(work: Specification["work"]): number {
  switch (work.kind) {
    case "evaluate":
    case "plan":
      return work.limits.evaluationSeconds;
    case "impact":
      // Both trees may have to be evaluated again.
      return 2 * work.limits.evaluationSeconds;
    case "build": {
      const { evaluationSeconds, buildSeconds } = work.limits;
      // What is not in the store any more is evaluated again; each derivation may bring another below it.
      return evaluationSeconds + 2 * buildSeconds * work.derivations.length;
    }
    case "observe":
      return work.connectSeconds * work.machines.length;
    case "deploy": {
      const { connectSeconds, copySeconds, activationSeconds, confirmationSeconds } = work.limits;
      // Taking it back may take as long as putting it there.
      return connectSeconds + copySeconds + 2 * (activationSeconds + confirmationSeconds);
    }
  }
}
