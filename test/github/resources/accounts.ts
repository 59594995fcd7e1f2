import { notFound, ok, noContent } from "../answer.ts";
import { bucketOf } from "../auth.ts";
import type { Call, Handlers } from "../call.ts";
import { renderUser } from "../render/account.ts";
import { permissionsOf } from "../render/repository.ts";
import type { Account, Role } from "../state.ts";

/** What `permission` makes of a role: the reason to read `role_name` instead. */
export const folded: Record<Role, string> = {
  admin: "admin",
  maintain: "write",
  write: "write",
  triage: "read",
  read: "read",
  none: "none",
};

function named(call: Call): Account {
  const found = call.world.accountByLogin(call.params["username"] ?? "");
  if (!found) throw notFound();
  return found;
}

function renderPublicUser(call: Call, account: Account) {
  return {
    ...renderUser(call.world, account),
    name: null,
    company: null,
    blog: null,
    location: null,
    email: null,
    hireable: null,
    bio: null,
    twitter_username: null,
    public_repos: 0,
    public_gists: 0,
    followers: 0,
    following: 0,
    created_at: call.world.stamp(0),
    updated_at: call.world.stamp(0),
  };
}

export const accounts: Handlers = {
  "users/get-authenticated": (call) => {
    if (call.actor.kind !== "user") throw notFound();
    return ok(renderPublicUser(call, call.actor.account));
  },

  "users/get-by-username": (call) => ok(renderPublicUser(call, named(call))),

  "repos/get-collaborator-permission-level": (call) => {
    const account = named(call);
    const role = call.world.roleOf(account, call.repo);
    return ok({
      permission: folded[role],
      role_name: role,
      user: {
        ...renderUser(call.world, account),
        permissions: permissionsOf(role),
        role_name: role,
      },
    });
  },

  "repos/check-collaborator": (call) => {
    const account = named(call);
    if (account.id !== call.repo.ownerId && !call.repo.roles.has(account.id)) throw notFound();
    return noContent();
  },

  "rate-limit/get": (call) => {
    const core = call.limits.state(bucketOf(call.actor));
    const fixed = { limit: 30, remaining: 30, used: 0, reset: core.reset };
    return ok({
      resources: { core, search: fixed, graphql: { ...fixed, limit: 5_000, remaining: 5_000 } },
      rate: core,
    });
  },
};
