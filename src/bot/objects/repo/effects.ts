import { type Answer, answered, isAhead, isAllowed } from "../../../core/repo/answered.ts";
import { approved } from "../../../core/repo/decide.ts";
import type { Approval, Decision, Effect } from "../../../core/repo/rows.ts";
import { runId } from "../../../core/repo/key.ts";
import { wantsForApproval, wantsForCommand } from "../../../core/repo/wants.ts";
import type { RepositoryIdentity } from "../../../core/repo/request.ts";
import type { Environment } from "../../environment.ts";
import { indexRepository } from "../../index/index.ts";
import {
  type AccountContract,
  type DesiredComment,
  type DesiredReaction,
  type FleetContract,
  objectName,
  type PolicySource,
  type Read,
  type RunContract,
  type WriterContract,
} from "../contracts.ts";
import type { DueRow, Perform } from "../inbox/due.ts";
import { Policy } from "./policy.ts";
import { ask } from "./ask.ts";
import type { Clock } from "./clock.ts";
import { showDrift } from "./drift.ts";
import { beginDue } from "./itself.ts";
import { machinesFor } from "./machines.ts";
import type { State } from "./state.ts";
import type { Sticky } from "./sticky.ts";

export type Parts = {
  env: Environment;
  state: State;
  clock: Clock;
  sticky: Sticky;
  /** When to look at what begins by itself; inside the running transaction. */
  wakeAt: (at: number | null) => void;
  transaction: (work: () => void) => void;
  /** Applies a decision inside the running transaction. */
  apply: (decision: Decision) => void;
  policy: (identity: RepositoryIdentity) => Promise<Read<PolicySource>>;
  /** Forgets rows of the past, inside the running transaction. */
  prune: () => void;
};

/** What an effect is about: effects of one target keep their order. */
export function targetOf(effect: Effect): string {
  switch (effect.kind) {
    case "start":
    case "supersede":
    case "cancel":
      return `run:${effect.n}`;
    case "confirm":
    case "cancel-jobs":
      return `run:${effect.n}`;
    case "ask-role":
      return `approval:${effect.approval.pull}`;
    // In their order, whoever gave them.
    case "ask-permission":
      return `command:${effect.pull}`;
    case "react":
      return `comment:${effect.comment}`;
    case "tell":
      return `comment:${effect.about}`;
    case "sticky":
      return `sticky:${effect.pull}`;
    case "free-machines":
      return `machines:${effect.pull}`;
    case "publish":
    case "withdraw":
      return "account";
    case "branch-gone":
      return `branch:${effect.ref}`;
    case "drift":
      return "drift";
  }
}

/** A command that is ahead of its commit's delivery is asked about again so often (ms). */
const AHEAD_PAUSE = 20_000;

/** A lock whose pull request is over stays while a deploy of it is unresolved; that is asked so often (ms). */
const UNRESOLVED_PAUSE = 5 * 60_000;

const NOTHING = { done: () => {} };

/** Performs what the Repo's decisions ask for, once or more often: every callee takes a repetition. */
export function performer({
  env,
  state,
  clock,
  wakeAt,
  sticky,
  transaction,
  apply,
  policy,
  prune,
}: Parts): Perform {
  const comparing = { env, state, clock, transaction, policy };
  const host = env.GITHUB_HOST;
  const run = (repository: number, n: number): RunContract =>
    env.RUN.getByName(objectName.run(host, runId(repository, n)));

  return async (row) => {
    if (row.kind === "delete-blob") {
      await env.BLOBS.delete((JSON.parse(row.payload) as { key: string }).key);
      return NOTHING;
    }
    if (row.kind === "prune") return { done: prune };
    const identity = state.identity();
    if (row.kind === "clock")
      return identity === null
        ? NOTHING
        : beginDue({ env, state, clock, apply, policy, wakeAt }, identity, endedOf(row));
    const effect = effectOf(row);
    if (identity === null)
      throw new Error(`effect ${effect.kind} of a repository that has no identity`);
    const repository = identity.repository;
    switch (effect.kind) {
      case "start": {
        const request = state.request(effect.n);
        if (request === null)
          throw new Error(
            `run ${effect.n} of repository ${repository.id} is not there to be started`,
          );
        await run(repository.id, effect.n).start(request);
        return NOTHING;
      }
      case "supersede":
        await run(repository.id, effect.n).supersede(effect.by, effect.yields);
        return NOTHING;
      case "cancel":
        await run(repository.id, effect.n).cancel(effect.by);
        return NOTHING;
      case "confirm":
        await run(repository.id, effect.n).confirm(effect.by);
        return NOTHING;
      case "cancel-jobs":
        await run(repository.id, effect.n).cancelJobs(effect.of, effect.by);
        return NOTHING;
      case "ask-role":
        return askRole(effect.approval, identity);
      case "ask-permission":
        return askPermission(effect.key, identity, row.tries);
      case "react":
      case "tell":
        await writerOf(identity).say([saying(effect, repository)]);
        return NOTHING;
      case "sticky": {
        const { pull } = effect;
        const version = sticky.version(pull);
        const body = sticky.body(pull);
        const { id, owner, name } = repository;
        await writerOf(identity).say([
          {
            kind: "sticky",
            resource: `comment:${id}:${pull}`,
            version,
            repository: { id, owner, name },
            pull,
            body,
          },
        ]);
        return NOTHING;
      }
      case "publish":
        await account(identity.account.id).know(identity.installation, repository);
        await indexRepository(env, repository);
        return NOTHING;
      case "branch-gone":
        await fleet(identity.account.id).branchGone(identity.account.id, repository.id, effect.ref);
        return NOTHING;
      case "free-machines": {
        // It may have been opened again meanwhile.
        if (state.pull(effect.pull)?.state === "open") return NOTHING;
        const free = await machinesFor(env, identity).free(effect.pull);
        return free ? NOTHING : { retryAfter: UNRESOLVED_PAUSE };
      }
      case "drift":
        return await showDrift(comparing, identity, effect.closed);
      case "withdraw":
        await account(effect.account ?? identity.account.id).forget(repository.id);
        return NOTHING;
    }
  };

  function account(id: number): AccountContract {
    return env.ACCOUNT.getByName(objectName.account(host, id));
  }

  function fleet(id: number): FleetContract {
    return env.FLEET.getByName(objectName.fleet(host, id));
  }

  function writerOf({ installation }: RepositoryIdentity): WriterContract {
    return env.WRITER.getByName(objectName.writer(host, installation));
  }

  function runUrl(n: number): string {
    const id = state.identity()?.repository.id ?? 0;
    return `${env.PUBLIC_URL.replace(/\/+$/u, "")}/runs/${runId(id, n)}`;
  }

  /** Asked until it is done, twice if it may act; the commands of a pull request that came later wait meanwhile. */
  async function askPermission(key: string, identity: RepositoryIdentity, tries: number) {
    for (;;) {
      const command = state.commands.one(key);
      if (command === null || command.state === "done") return NOTHING;
      const source = await policy(identity);
      const writer = writerOf(identity);
      const found = await ask({ writer, identity, command, source, tries }, state);
      if ("retryAfter" in found) return found;
      const machines = machinesFor(env, identity);
      const answer: Answer = {
        ...found.answer,
        ...(await machines.known(command)),
        runUrl,
      };
      const branch = `refs/heads/${identity.repository.defaultBranch}`;
      const slice = state.slice(wantsForCommand(command, branch));
      if (isAhead(slice, key, answer, Date.now())) return { retryAfter: AHEAD_PAUSE };
      // The machine's own object has the last word, and takes the same one twice for one.
      if (isAllowed(slice, key, answer, Date.now()))
        answer.said = await machines.tell(command, answer.machines ?? []);
      transaction(() => apply(answered(slice, key, answer, Date.now())));
    }
  }

  async function askRole(approval: Omit<Approval, "role">, identity: RepositoryIdentity) {
    const writer = writerOf(identity);
    const { login, id } = approval.by;
    const role = await writer.role(identity.repository, login, id);
    if (!role.ok && !role.missing) return { retryAfter: role.retryAfter };
    const source = await policy(identity);
    if (!source.ok && !source.missing) return { retryAfter: source.retryAfter };
    const answer: Approval = { ...approval, role: role.ok ? role.value : null };
    const writers = Policy.writers(source.ok ? source.value : null);
    return {
      done: () =>
        apply(approved(state.slice(wantsForApproval(answer)), answer, writers, Date.now())),
    };
  }
}

function saying(
  effect: Extract<Effect, { kind: "react" | "tell" }>,
  { id, owner, name }: RepositoryIdentity["repository"],
): DesiredReaction | DesiredComment {
  const repository = { id, owner, name };
  if (effect.kind === "react") {
    const { comment, content } = effect;
    const resource = `reaction:${id}:${comment}:${content}`;
    return { kind: "reaction", resource, repository, comment, content };
  }
  const { pull, about, body } = effect;
  const resource = `comment:${id}:${pull}:${about}`;
  return { kind: "comment", resource, version: 1, repository, pull, body };
}

/** Of a row that a run's end has left. */
function endedOf(row: DueRow): { closed: number | null } | undefined {
  return (JSON.parse(row.payload) as { ended?: { closed: number | null } }).ended;
}

function effectOf(row: DueRow): Effect {
  return JSON.parse(row.payload) as Effect;
}
