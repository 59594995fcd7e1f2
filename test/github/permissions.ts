import { Refused, notAccessible, notFound } from "./answer.ts";
import type { Actor } from "./auth.ts";
import type { Level, Repository, Role } from "./state.ts";
import type { World } from "./world.ts";

/** What one operation asks of who calls it. */
export interface Need {
  /** Installation tokens: any one of these suffices. Null: no installation token works. */
  app: (readonly [permission: string, level: Level])[] | null;
  /** Users: the least role on the repository; "signed-in" where no repository matters; null: not for users. */
  user: Role | "signed-in" | null;
  /** Only the App's own JSON web token. */
  jwt?: true;
  /** Works without any token on public repositories. */
  anonymous?: true;
}

const read = (...names: string[]): Need => ({
  app: names.map((name) => [name, "read"] as const),
  user: "read",
  anonymous: true,
});
const write = (user: Role | null, ...names: string[]): Need => ({
  app: names.map((name) => [name, "write"] as const),
  user,
});
const administers: Need = { app: [["administration", "read"]], user: "admin" };
const jwt: Need = { app: null, user: null, jwt: true };

/** From "Permissions required for GitHub Apps" in GitHub's REST documentation. An operation that is not here is not implemented. */
export const needs: Record<string, Need> = {
  "apps/get-authenticated": jwt,
  "apps/list-installations": jwt,
  "apps/get-installation": jwt,
  "apps/create-installation-access-token": jwt,
  "apps/get-repo-installation": jwt,
  "apps/get-org-installation": jwt,
  "apps/get-user-installation": jwt,
  "apps/list-webhook-deliveries": jwt,
  "apps/get-webhook-delivery": jwt,
  "apps/redeliver-webhook-delivery": jwt,
  "apps/get-webhook-config-for-app": jwt,
  "apps/list-repos-accessible-to-installation": { app: [], user: null },
  "apps/revoke-installation-access-token": { app: [], user: null },
  "rate-limit/get": { app: [], user: "signed-in", anonymous: true },
  "meta/root": { app: [], user: "signed-in", anonymous: true },
  "users/get-authenticated": { app: null, user: "signed-in" },
  "users/get-by-username": { app: [], user: "signed-in", anonymous: true },

  // People's: the double has no App that does these.
  "repos/create-for-authenticated-user": { app: null, user: "signed-in" },
  "repos/create-in-org": { app: null, user: "signed-in" },
  "repos/list-for-authenticated-user": { app: null, user: "signed-in" },
  "repos/create-fork": { app: null, user: "read" },
  "repos/update": { app: null, user: "admin" },
  "repos/delete": { app: null, user: "admin" },
  "repos/list-for-user": { app: [], user: "signed-in", anonymous: true },
  "repos/list-for-org": { app: [], user: "signed-in", anonymous: true },
  "repos/list-forks": read("metadata"),

  "repos/get": read("metadata"),
  "repos/get-by-id": read("metadata"),
  "repos/list-branches": read("contents"),
  "repos/get-branch": read("contents"),
  "repos/list-commits": read("contents"),
  "repos/get-commit": read("contents"),
  "repos/compare-commits": read("contents"),
  "repos/compare-commits-with-basehead": read("contents"),
  "repos/get-content": read("contents"),
  "repos/create-or-update-file-contents": write("write", "contents"),
  "repos/delete-file": write("write", "contents"),
  "repos/merge": write("write", "contents"),
  "repos/merge-upstream": write("write", "contents"),
  "pulls/update-branch": { app: null, user: "read" },
  "repos/download-tarball-archive": read("contents"),
  "repos/list-pull-requests-associated-with-commit": read("pull_requests", "contents"),
  "repos/get-collaborator-permission-level": { app: [["metadata", "read"]], user: "write" },
  "repos/check-collaborator": { app: [["metadata", "read"]], user: "write" },
  "repos/get-combined-status-for-ref": read("statuses"),
  "repos/list-commit-statuses-for-ref": read("statuses"),
  "repos/create-commit-status": write("write", "statuses"),
  "repos/list-collaborators": { app: [["metadata", "read"]], user: "write" },
  "repos/add-collaborator": write("admin", "administration"),
  "repos/remove-collaborator": write("read", "administration"),
  "repos/accept-invitation-for-authenticated-user": { app: null, user: "signed-in" },
  "repos/get-branch-protection": administers,
  "repos/update-branch-protection": write("admin", "administration"),
  "repos/delete-branch-protection": write("admin", "administration"),
  "repos/get-status-checks-protection": administers,
  "repos/update-status-check-protection": write("admin", "administration"),
  "repos/remove-status-check-protection": write("admin", "administration"),
  "repos/get-admin-branch-protection": administers,
  "repos/set-admin-branch-protection": write("admin", "administration"),
  "repos/delete-admin-branch-protection": write("admin", "administration"),
  "teams/get-membership-for-user-in-org": { app: [["members", "read"]], user: null },
  "repos/list-deployments": read("deployments"),
  "repos/get-deployment": read("deployments"),
  "repos/create-deployment": write("write", "deployments"),
  "repos/list-deployment-statuses": read("deployments"),
  "repos/create-deployment-status": write("write", "deployments"),

  "repos/get-all-environments": read("actions", "deployments"),

  "git/get-ref": read("contents"),
  "git/list-matching-refs": read("contents"),
  "git/create-ref": write("write", "contents"),
  "git/update-ref": write("write", "contents"),
  "git/delete-ref": write("write", "contents"),
  "git/get-commit": read("contents"),
  "git/create-commit": write("write", "contents"),
  "git/get-tree": read("contents"),
  "git/create-tree": write("write", "contents"),
  "git/get-blob": read("contents"),
  "git/create-blob": write("write", "contents"),

  "pulls/list": read("pull_requests"),
  "pulls/get": read("pull_requests"),
  "pulls/create": write("read", "pull_requests"),
  "pulls/update": write("read", "pull_requests"),
  "pulls/merge": write("write", "contents"),
  "pulls/check-if-merged": read("pull_requests"),
  "pulls/list-files": read("pull_requests"),
  "pulls/list-commits": read("pull_requests"),

  "issues/list-for-repo": read("issues", "pull_requests"),
  "issues/get": read("issues", "pull_requests"),
  "issues/create": write("read", "issues"),
  "issues/update": write("read", "issues", "pull_requests"),
  "issues/list-comments": read("issues", "pull_requests"),
  "issues/get-comment": read("issues", "pull_requests"),
  "issues/create-comment": write("read", "issues", "pull_requests"),
  "issues/update-comment": write("read", "issues", "pull_requests"),
  "issues/delete-comment": write("read", "issues", "pull_requests"),
  "issues/add-labels": write("triage", "issues", "pull_requests"),
  "issues/list-labels-on-issue": read("issues", "pull_requests"),
  "issues/set-labels": write("triage", "issues", "pull_requests"),
  "issues/remove-label": write("triage", "issues", "pull_requests"),
  "issues/remove-all-labels": write("triage", "issues", "pull_requests"),
  "issues/list-labels-for-repo": read("issues", "pull_requests"),
  "issues/get-label": read("issues", "pull_requests"),
  "issues/create-label": write("triage", "issues", "pull_requests"),
  "reactions/list-for-issue": read("issues", "pull_requests"),
  "reactions/create-for-issue": write("read", "issues", "pull_requests"),
  "reactions/delete-for-issue": write("read", "issues", "pull_requests"),
  "reactions/list-for-issue-comment": read("issues", "pull_requests"),
  "reactions/create-for-issue-comment": write("read", "issues", "pull_requests"),
  "reactions/delete-for-issue-comment": write("read", "issues", "pull_requests"),

  "checks/create": write(null, "checks"),
  "checks/update": write(null, "checks"),
  "checks/get": read("checks"),
  "checks/list-for-ref": read("checks"),
  "checks/list-for-suite": read("checks"),
  "checks/list-annotations": read("checks"),
  "checks/rerequest-run": write("write", "checks"),
  "checks/create-suite": write(null, "checks"),
  "checks/get-suite": read("checks"),
  "checks/list-suites-for-ref": read("checks"),
  "checks/rerequest-suite": write("write", "checks"),
};

const levels: Level[] = ["read", "write", "admin"];
const roles: Role[] = ["none", "read", "triage", "write", "maintain", "admin"];

export const atLeast = (have: Role, wanted: Role): boolean =>
  roles.indexOf(have) >= roles.indexOf(wanted);

export function grants(
  actor: Actor & { kind: "installation" },
  permission: string,
  level: Level,
): boolean {
  // Every App may read metadata.
  const have =
    permission === "metadata"
      ? (actor.permissions[permission] ?? "read")
      : actor.permissions[permission];
  return have !== undefined && levels.indexOf(have) >= levels.indexOf(level);
}

export function reaches(
  world: World,
  actor: Actor & { kind: "installation" },
  repo: Repository,
): boolean {
  return (
    world.covers(actor.installation, repo) &&
    (actor.repositories === null || actor.repositories.has(repo.id))
  );
}

/** Whether the actor may know that the repository exists. */
export function sees(world: World, actor: Actor, repo: Repository): boolean {
  if (!repo.private) return true;
  if (actor.kind === "user") return world.roleOf(actor.account, repo) !== "none";
  return actor.kind === "installation" && reaches(world, actor, repo);
}

/** Throws what GitHub would answer when this actor may not do this. */
export function authorize(
  world: World,
  need: Need,
  actor: Actor,
  repo: Repository | undefined,
  reading: boolean,
): void {
  if (need.jwt) {
    if (actor.kind !== "app") throw new Refused(401, "A JSON web token could not be decoded");
    return;
  }
  if (repo && !sees(world, actor, repo)) throw notFound();
  switch (actor.kind) {
    case "anonymous":
      if (!need.anonymous) throw new Refused(401, "Requires authentication");
      return;
    case "app":
      throw new Refused(
        401,
        "A JSON web token cannot be used here; use an installation access token",
      );
    case "user":
      if (need.user === null) throw new Refused(403, "You must authenticate via a GitHub App.");
      if (
        repo &&
        need.user !== "signed-in" &&
        !atLeast(world.roleOf(actor.account, repo), need.user)
      ) {
        throw new Refused(403, "Must have the required rights to Repository.");
      }
      return;
    case "installation": {
      if (need.app === null) throw notAccessible();
      // A public repository outside the installation may be read like anyone reads it.
      if (repo && !reaches(world, actor, repo)) {
        if (reading && need.anonymous) return;
        throw notAccessible();
      }
      if (need.app.length > 0 && !need.app.some(([name, level]) => grants(actor, name, level)))
        throw notAccessible();
      return;
    }
    default:
      return actor satisfies never;
  }
}
