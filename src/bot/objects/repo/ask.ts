import { teamsNamed } from "../../../core/command/permission.ts";
import type { Answer } from "../../../core/repo/answered.ts";
import type { RepositoryIdentity } from "../../../core/repo/request.ts";
import type { CommandRow } from "../../../core/repo/rows.ts";
import type { PolicySource, PullState, Read, WriterContract } from "../contracts.ts";
import { Policy } from "./policy.ts";
import type { State } from "./state.ts";

/** Tries for GitHub's answer and our own rows to agree on the head, and the pause between two (ms). */
const AGREE = { tries: 5, pause: 1_000 } as const;

export type Question = {
  writer: Pick<WriterContract, "role" | "teams" | "pull">;
  identity: RepositoryIdentity;
  command: CommandRow;
  source: Read<PolicySource>;
  /** How often this has been asked. */
  tries: number;
};

/**
 * Everything that a command is judged by and that only GitHub knows, now. What cannot be known is asked again later;
 * what is not there is no.
 */
export async function ask(
  { writer, identity, command, source, tries }: Question,
  state: State,
): Promise<{ answer: Omit<Answer, "runUrl"> } | { retryAfter: number }> {
  const { repository, account } = identity;
  if (!source.ok && !source.missing) return { retryAfter: source.retryAfter };
  const policy = Policy.commands(source.ok ? source.value : null);
  const slugs = command.command === null ? [] : teamsNamed(policy, [command.command.name]);
  const { login, id } = command.by;
  const [role, teams, pull] = await Promise.all([
    writer.role(repository, login, id),
    slugs.length === 0
      ? { ok: true as const, value: [] }
      : writer.teams(account.login, slugs, login),
    writer.pull(repository, command.pull),
  ]);
  for (const read of [role, teams, pull])
    if (!read.ok && !read.missing) return { retryAfter: read.retryAfter };
  const known = state.slice({ ref: null, pulls: { number: command.pull }, runs: { keys: [] } });
  const head = known.pulls[0]?.head;
  // A push of which nobody has told us yet, or an answer from before it: the delivery is on its way.
  if (pull.ok && head !== undefined && pull.value.head !== head && tries < AGREE.tries)
    return { retryAfter: AGREE.pause };
  return {
    answer: {
      role: role.ok ? role.value : null,
      teams: teams.ok ? teams.value : [],
      policy,
      pull: pull.ok ? pullOf(pull.value) : null,
    },
  };
}

function pullOf({ head, state, base, headRef, baseRef, fork, draft, author }: PullState) {
  return { head, state, about: { base, headRef, baseRef, fork, draft, author } };
}
