import { Refused, notFound, ok } from "../answer.ts";
import { page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { emptyTree, readCommit, readDiff, readLog } from "../commits.ts";
import type { Commit } from "../commits.ts";
import { renderCommit, renderFile } from "../render/commit.ts";
import { renderPullSimple } from "../render/pull.ts";
import { apiUrl, htmlUrl } from "../render/repository.ts";

/** The commit that a path's ref names; 422 for an unknown SHA, as GitHub does. */
export async function commitOrRefuse(call: Call, ref: string): Promise<Commit> {
  const sha = await call.repo.git.commitOf(ref);
  const commit = sha === undefined ? undefined : await readCommit(call.repo.git, sha);
  if (!commit) throw new Refused(422, `No commit found for SHA: ${ref}`);
  return commit;
}

/** "branch" of this repository or "owner:branch" of a fork in the same network. */
async function end(call: Call, name: string): Promise<string> {
  const { world, repo } = call;
  const [, owner, branch] = /^([^:]+):(.+)$/.exec(name) ?? [];
  if (owner === undefined || branch === undefined)
    return (await repo.git.commitOf(name)) ?? refuse();
  const other = [...world.repositories.values()].find(
    (one) =>
      world.account(one.ownerId).login === owner &&
      (one.id === repo.id || one.parentId === repo.id || one.id === repo.parentId),
  );
  const sha = await other?.git.commitOf(branch);
  if (!other || sha === undefined) return refuse();
  if (other.id !== repo.id)
    await repo.git.git(["fetch", "-q", "--no-write-fetch-head", other.git.dir, sha]);
  return sha;
}

function refuse(): never {
  throw notFound();
}

/** GitHub publishes the operation twice, as {basehead} and as {base}...{head}. */
async function compare(call: Call) {
  const { repo, world } = call;
  const [from, to] = call.params["basehead"]?.split("...") ?? [
    call.params["base"],
    call.params["head"],
  ];
  if (!from || !to) throw notFound();
  const base = await commitOrRefuse(call, await end(call, from));
  const head = await commitOrRefuse(call, await end(call, to));
  const found = await repo.git.try(["merge-base", base.sha, head.sha]);
  if (found.code !== 0) throw new Refused(404, `No common ancestor between ${from} and ${to}.`);
  const fork = await commitOrRefuse(call, found.stdout.toString().trim());
  const ahead = await readLog(repo.git, ["--reverse", head.sha, `^${base.sha}`]);
  const behind = Number(
    (await repo.git.git(["rev-list", "--count", base.sha, `^${head.sha}`])).toString(),
  );
  const files = await readDiff(repo.git, fork.sha, head.sha);
  const html = `${htmlUrl(world, repo)}/compare/${base.sha}...${head.sha}`;
  const status =
    ahead.length === 0
      ? behind === 0
        ? "identical"
        : "behind"
      : behind === 0
        ? "ahead"
        : "diverged";
  return page(
    call,
    ahead,
    (one) => renderCommit(world, repo, one),
    (shown, total) => ({
      url: `${apiUrl(world, repo)}/compare/${base.sha}...${head.sha}`,
      html_url: html,
      permalink_url: html,
      diff_url: `${html}.diff`,
      patch_url: `${html}.patch`,
      base_commit: renderCommit(world, repo, base),
      merge_base_commit: renderCommit(world, repo, fork),
      status,
      ahead_by: total,
      behind_by: behind,
      total_commits: total,
      commits: shown,
      // GitHub shows files on the first page only, at most 300.
      files:
        Number(call.query["page"] ?? 1) === 1
          ? files.slice(0, 300).map((file) => renderFile(world, repo, head.sha, file))
          : [],
    }),
  );
}

export const commits: Handlers = {
  "repos/list-commits": async (call) => {
    const { repo, world, query } = call;
    const start = await repo.git.commitOf(String(query["sha"] ?? repo.defaultBranch));
    if (start === undefined) throw notFound();
    const filters = [
      ...(query["since"] === undefined ? [] : [`--since=${String(query["since"])}`]),
      ...(query["until"] === undefined ? [] : [`--until=${String(query["until"])}`]),
    ];
    const path = query["path"] === undefined ? [] : ["--", `:(literal)${String(query["path"])}`];
    return page(call, await readLog(repo.git, [...filters, start, ...path]), (one) =>
      renderCommit(world, repo, one),
    );
  },

  "repos/get-commit": async (call) => {
    const commit = await commitOrRefuse(call, call.params["ref"] ?? "");
    const files = await readDiff(call.repo.git, commit.parents[0] ?? emptyTree, commit.sha);
    return ok(renderCommit(call.world, call.repo, commit, files));
  },

  "repos/compare-commits": compare,
  "repos/compare-commits-with-basehead": compare,

  "repos/list-pull-requests-associated-with-commit": async (call) => {
    const { repo, world } = call;
    const { sha } = await commitOrRefuse(call, call.params["commit_sha"] ?? "");
    const flags = await Promise.all(
      world.pullsOf(repo).map(async (issue) => {
        const { head, base, mergeCommitSha } = issue.pull;
        if (mergeCommitSha === sha && issue.pull.mergedAt) return true;
        return (
          (await repo.git.isAncestor(sha, head.sha)) && !(await repo.git.isAncestor(sha, base.sha))
        );
      }),
    );
    return page(
      call,
      world.pullsOf(repo).filter((_, at) => flags[at]),
      (one) => renderPullSimple(world, repo, one),
    );
  },
};
