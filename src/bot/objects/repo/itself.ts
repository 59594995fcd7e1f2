import { readConfiguration } from "../../../core/config/read.ts";
import { tick } from "../../../core/repo/clock.ts";
import type { RepositoryIdentity } from "../../../core/repo/request.ts";
import type { Decision } from "../../../core/repo/rows.ts";
import { Plan } from "../../../core/repo/start.ts";
import type { Environment } from "../../environment.ts";
import { type KnownMachine, objectName, type PolicySource, type Read } from "../contracts.ts";
import type { Clock } from "./clock.ts";
import type { State } from "./state.ts";

/** Machines that are looked at in one run: one job takes no more. */
const MOST = 100;
/** A configuration that is wrong is read again after this (ms), where no push sets it right before. */
const WRONG = 3_600_000;
/** How often machines are looked at where the configuration does not say (minutes). */
const OBSERVED = 360;

/** The one issue that tells of machines. */
export const DRIFT = "drift";

export type Itself = {
  env: Environment;
  state: State;
  clock: Clock;
  /** Applies a decision inside the running transaction. */
  apply: (decision: Decision) => void;
  policy: (identity: RepositoryIdentity) => Promise<Read<PolicySource>>;
  /** When to look again (Unix ms); null is when something happens. Inside the running transaction. */
  wakeAt: (at: number | null) => void;
};

/**
 * Begins what the repository does by itself and whose time has come. Then it is looked at what drifts: what was just begun
 * is on its way.
 * @param ended the pull request of a deploy that is over and was closed meanwhile; undefined where no run has ended
 */
export async function beginDue(
  { env, state, clock, apply, policy, wakeAt }: Itself,
  identity: RepositoryIdentity,
  ended: { closed: number | null } | undefined,
): Promise<{ done: () => void } | { retryAfter: number }> {
  const machines = await namedMachines(env, identity);
  // A repository without machines has nothing to roll out, and GitHub is not asked for what it might say.
  const compare = () => {
    if (ended !== undefined) apply({ changes: [], effects: [{ kind: "drift", ...ended }] });
  };
  if (machines.length === 0 && clock.rows().length === 0)
    return {
      done: () => {
        wakeAt(null);
        if (clock.issue(DRIFT) !== null) compare();
      },
    };
  const source = await policy(identity);
  if (!source.ok && !source.missing) return { retryAfter: source.retryAfter };
  const configuration = source.ok ? configurationOf(source.value) : null;
  return {
    done: () => {
      const now = Date.now();
      // Nobody can say what is meant: nothing begins, and nothing of what was is forgotten.
      if (configuration === null) {
        wakeAt(now + WRONG);
        return compare();
      }
      const ref = `refs/heads/${identity.repository.defaultBranch}`;
      const slice = state.slice({
        ref,
        pulls: {},
        runs: { keys: [`push:${ref}`], active: true },
      });
      const answer = tick({
        now,
        repository: identity.repository.id,
        ref,
        // Before the first push of it the branch is known by its configuration.
        head:
          slice.head?.sha ?? (source.ok && source.value.commit !== "" ? source.value.commit : null),
        rollouts: machines.length === 0 ? {} : (configuration.rollouts ?? {}),
        machines: lookable(machines),
        observeMinutes: configuration.machines?.observe_minutes ?? OBSERVED,
        rows: clock.rows(),
        runs: slice.runs,
      });
      clock.save(answer.rows, answer.gone);
      const plan = new Plan(slice, now);
      for (const n of answer.end)
        plan.decision.effects.push({ kind: "cancel", n, by: "the next look" });
      for (const { reason, sender } of answer.begin) plan.deploy(reason, sender);
      apply(plan.decision);
      wakeAt(answer.nextAt);
      compare();
    },
  };
}

export async function namedMachines(
  env: Environment,
  { host, account, repository }: RepositoryIdentity,
): Promise<KnownMachine[]> {
  const fleet = env.FLEET.getByName(objectName.fleet(host, account.id));
  return await fleet.machines(account.id, repository.id);
}

/** Those whose runner is here and of which nobody doubts who they are. */
function lookable(machines: readonly KnownMachine[]): string[] {
  const keys = Map.groupBy(machines, ({ name }) => name);
  return [...keys]
    .filter(([, all]) => all.length === 1 && all.some(({ online }) => online))
    .map(([name]) => name)
    .slice(0, MOST);
}

function configurationOf({ text, problem }: PolicySource) {
  const read = problem === undefined ? readConfiguration(text) : null;
  return read?.ok === true ? read.configuration : null;
}

/** How often machines are looked at (ms); what cannot be read now says nothing else than usual. */
export function observedEvery(source: Read<PolicySource>): number {
  const configuration = source.ok ? configurationOf(source.value) : null;
  return (configuration?.machines?.observe_minutes ?? OBSERVED) * 60_000;
}
