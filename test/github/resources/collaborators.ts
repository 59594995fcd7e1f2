import { Refused, created, invalid, noContent, notFound } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { nodeId, renderUser } from "../render/account.ts";
import { apiUrl, htmlUrl, permissionsOf, renderRepository } from "../render/repository.ts";
import type { Account, Role } from "../state.ts";
import { folded } from "./accounts.ts";

/** Who works on a repository. An invitation is answered as GitHub answers it, and counts as accepted at once. */

const asked: Record<string, Role> = {
  pull: "read",
  triage: "triage",
  push: "write",
  maintain: "maintain",
  admin: "admin",
};

function named(call: Call): Account {
  const found = call.world.accountByLogin(call.params["username"] ?? "");
  if (!found) throw notFound();
  return found;
}

function tell(call: Call, action: string, member: Account, role?: Role): void {
  const { world, repo } = call;
  const to = role && folded[role];
  world.hooks.emit(repo, {
    event: "member",
    action,
    payload: {
      member: renderUser(world, member),
      ...(to ? { changes: { permission: { to }, role_name: { to: role } } } : {}),
    },
    sender: authorOf(world, call.actor),
  });
}

export const collaborators: Handlers = {
  "repos/list-collaborators": (call) => {
    const { world, repo } = call;
    const owner = world.account(repo.ownerId);
    const owners = owner.type === "User" ? [owner.id] : [...owner.ownerIds];
    const ids = [...new Set([...owners, ...repo.roles.keys()])];
    return page(call, ids, (id) => {
      const account = world.account(id);
      const role = world.roleOf(account, repo);
      return {
        ...renderUser(world, account),
        permissions: permissionsOf(role),
        role_name: role,
      };
    });
  },

  "repos/add-collaborator": (call) => {
    const { world, repo } = call;
    const account = named(call);
    const { permission = "push" } = (call.body ?? {}) as { permission?: string };
    const role = asked[permission];
    if (role === undefined) throw invalid(`permission "${permission}" is not known`);
    if (account.type !== "User") throw invalid("Only a person can be a collaborator");
    if (world.owns(account, world.account(repo.ownerId)))
      throw invalid("Repository owner cannot be a collaborator");
    const known = repo.roles.has(account.id);
    repo.roles.set(account.id, role);
    if (known) return noContent();
    tell(call, "added", account, role);
    const id = world.nextId();
    world.invitations.set(id, account.id);
    return created({
      id,
      node_id: nodeId("RepositoryInvitation", id),
      repository: renderRepository(world, repo),
      invitee: renderUser(world, account),
      inviter: renderUser(world, authorOf(world, call.actor)),
      permissions: role,
      created_at: world.stamp(),
      expired: false,
      url: `${apiUrl(world, repo)}/invitations/${id}`,
      html_url: `${htmlUrl(world, repo)}/invitations`,
    });
  },

  "repos/accept-invitation-for-authenticated-user": (call) => {
    const { world, actor } = call;
    const id = numeric(call, "invitation_id");
    if (actor.kind !== "user" || world.invitations.get(id) !== actor.account.id) throw notFound();
    return noContent();
  },

  "repos/remove-collaborator": (call) => {
    const { repo, world, actor } = call;
    const account = named(call);
    const self = actor.kind === "user" && actor.account.id === account.id;
    // People may leave; for others it takes an admin.
    if (!self && world.roleOf(authorOf(world, actor), repo) !== "admin")
      throw new Refused(403, "Must have admin rights to Repository.");
    if (!repo.roles.delete(account.id)) throw notFound();
    tell(call, "removed", account);
    return noContent();
  },
};
