import { Refused, ok } from "../answer.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { readCommit } from "../commits.ts";
import { renderCommit } from "../render/commit.ts";
import { apiUrl, htmlUrl, renderFullRepository } from "../render/repository.ts";

const repository = (call: Call) =>
  ok(
    renderFullRepository(
      call.world,
      call.repo,
      call.actor.kind === "user" ? call.world.roleOf(call.actor.account, call.repo) : null,
    ),
  );

function protectionOf(call: Call, branch: string) {
  const protection = call.repo.protections.get(branch);
  const url = `${apiUrl(call.world, call.repo)}/branches/${encodeURIComponent(branch)}/protection`;
  return {
    protected: protection !== undefined,
    protection: {
      enabled: protection !== undefined,
      required_status_checks: {
        enforcement_level: protection
          ? protection.enforceAdmins
            ? "everyone"
            : "non_admins"
          : "off",
        contexts: (protection?.checks ?? []).map((one) => one.context),
        checks: (protection?.checks ?? []).map((one) => ({
          context: one.context,
          app_id: one.appId,
        })),
      },
    },
    protection_url: url,
  };
}

export const repos: Handlers = {
  "repos/get": repository,
  "repos/get-by-id": (call) =>
    numeric(call, "repository_id") === call.repo.id ? repository(call) : { status: 404, body: {} },

  "repos/list-branches": async (call) => {
    const { world, repo, query } = call;
    const wanted = query["protected"];
    const all = [...(await repo.git.branches())].filter(
      ([name]) => wanted === undefined || repo.protections.has(name) === wanted,
    );
    return page(call, all, ([name, sha]) => ({
      name,
      commit: { sha, url: `${apiUrl(world, repo)}/commits/${sha}` },
      ...protectionOf(call, name),
    }));
  },

  "repos/get-branch": async (call) => {
    const { world, repo } = call;
    const name = call.params["branch"] ?? "";
    const sha = (await repo.git.branches()).get(name);
    const commit = sha === undefined ? undefined : await readCommit(repo.git, sha);
    if (!commit) throw new Refused(404, "Branch not found");
    const self = `${apiUrl(world, repo)}/branches/${encodeURIComponent(name)}`;
    return ok({
      name,
      commit: renderCommit(world, repo, commit),
      _links: { self, html: `${htmlUrl(world, repo)}/tree/${encodeURIComponent(name)}` },
      ...protectionOf(call, name),
    });
  },
};
