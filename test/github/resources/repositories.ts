import { Refused, created, invalid, noContent, notFound, ok } from "../answer.ts";
import { createRepository, fork } from "../admin.ts";
import { authorOf } from "../auth.ts";
import { page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { announce, remove } from "../lifecycle.ts";
import { sees } from "../permissions.ts";
import { refsMoved } from "../pushes.ts";
import { permissionsOf, renderFullRepository, renderRepository } from "../render/repository.ts";
import type { Account, Repository } from "../state.ts";
import { commitFiles } from "../trees.ts";

/** Repositories as people make, fork, change and delete them. */

interface Settings {
  name?: string;
  description?: string | null;
  private?: boolean;
  visibility?: "public" | "private";
  auto_init?: boolean;
  allow_merge_commit?: boolean;
  allow_squash_merge?: boolean;
  allow_rebase_merge?: boolean;
  delete_branch_on_merge?: boolean;
  default_branch?: string;
  archived?: boolean;
}

const person = (call: Call): Account => authorOf(call.world, call.actor);

const full = (call: Call, repo: Repository) =>
  renderFullRepository(call.world, repo, call.world.roleOf(person(call), repo));

/** GitHub writes a dash for what a name cannot hold. */
function validName(call: Call, owner: Account, asked: string): string {
  const name = asked.replaceAll(/[^\w.-]/g, "-");
  if (name === "" || name === "." || name === ".." || name.length > 100)
    throw invalid(`name ${JSON.stringify(asked)} cannot be used`);
  if (call.world.findRepository(owner.login, name))
    throw new Refused(422, "Repository creation failed.", {
      errors: [
        {
          resource: "Repository",
          code: "custom",
          field: "name",
          message: "name already exists on this account",
        },
      ],
    });
  return name;
}

function applySettings(repo: Repository, body: Settings): void {
  const { mergeMethods: had } = repo;
  const methods = {
    merge: body.allow_merge_commit ?? had.merge,
    squash: body.allow_squash_merge ?? had.squash,
    rebase: body.allow_rebase_merge ?? had.rebase,
  };
  if (!methods.merge && !methods.squash && !methods.rebase)
    throw invalid("At least one merge method must be enabled");
  repo.mergeMethods = methods;
  repo.deleteBranchOnMerge = body.delete_branch_on_merge ?? repo.deleteBranchOnMerge;
  if (body.description !== undefined) repo.description = body.description;
}

async function create(call: Call, owner: Account) {
  const { world } = call;
  const body = call.body as Settings & { name: string };
  const name = validName(call, owner, body.name);
  const repo = await createRepository(world, {
    owner,
    name,
    private: body.visibility ? body.visibility === "private" : body.private === true,
  });
  applySettings(repo, body);
  announce(world, repo, person(call));
  if (body.auto_init === true)
    await repo.git.exclusively(async () => {
      const update = await commitFiles(world, repo, {
        branch: repo.defaultBranch,
        author: person(call),
        message: "Initial commit",
        files: { "README.md": `# ${name}\n` },
      });
      await refsMoved(world, repo, [update], person(call));
    });
  return created(full(call, repo));
}

function named(call: Call, param: string): Account {
  return call.world.accountByLogin(call.params[param] ?? "") ?? missing();
}

function missing(): never {
  throw notFound();
}

const byName = (a: Repository, b: Repository): number => a.name.localeCompare(b.name);
const times: Record<string, (one: Repository) => string> = {
  created: (one) => one.createdAt,
  updated: (one) => one.pushedAt,
  pushed: (one) => one.pushedAt,
};

function list(
  call: Call,
  repos: Repository[],
  render = (one: Repository): unknown => renderRepository(call.world, one),
) {
  const { sort, direction } = call.query;
  const time = times[String(sort)];
  const all = repos.toSorted(time ? (a, b) => time(b).localeCompare(time(a)) : byName);
  const usual = time ? "desc" : "asc";
  return page(call, (direction ?? usual) === usual ? all : all.toReversed(), render);
}

function ofKind(call: Call, repo: Repository): boolean {
  const kind = call.query["type"];
  if (kind === "public" || kind === "private") return repo.private === (kind === "private");
  if (kind === "forks" || kind === "sources")
    return (repo.parentId !== null) === (kind === "forks");
  return true;
}

async function createFork(call: Call): Promise<Repository> {
  const { world, repo } = call;
  const body = (call.body ?? {}) as {
    organization?: string;
    name?: string;
    default_branch_only?: boolean;
  };
  const sender = person(call);
  const owner =
    body.organization === undefined
      ? sender
      : (world.accountByLogin(body.organization) ?? missing());
  if (!world.owns(sender, owner)) throw new Refused(403, `You cannot fork to ${owner.login}.`);
  if ((await repo.git.refs("refs/heads/")).size === 0)
    throw new Refused(
      403,
      "The repository exists, but it contains no Git content. Empty repositories cannot be forked.",
    );
  if (owner.id === repo.ownerId)
    throw new Refused(403, "The repository cannot be forked to the account that owns it.");
  const known = [...world.repositories.values()].find(
    (one) => one.ownerId === owner.id && one.parentId === repo.id,
  );
  if (known) return known;
  const asked = body.name ?? repo.name;
  let name = asked;
  for (let n = 1; world.findRepository(owner.login, name); n++) name = `${asked}-${n}`;
  const made = await fork(world, repo, owner, validName(call, owner, name));
  if (body.default_branch_only === true) {
    for (const branch of (await made.git.branches()).keys())
      if (branch !== made.defaultBranch)
        await made.git.git(["update-ref", "-d", `refs/heads/${branch}`]);
  }
  world.hooks.emit(repo, {
    event: "fork",
    action: null,
    payload: { forkee: { ...renderRepository(world, made), public: !made.private } },
    sender,
  });
  announce(world, made, sender);
  return made;
}

async function update(call: Call): Promise<void> {
  const { world, repo } = call;
  const body = (call.body ?? {}) as Settings;
  const sender = person(call);
  const emit = (action: string, changes?: Record<string, unknown>): void =>
    world.hooks.emit(repo, {
      event: "repository",
      action,
      payload: changes ? { changes } : {},
      sender,
    });
  if (body.archived === true) throw new Refused(501, "The double does not archive repositories");
  if (
    body.default_branch !== undefined &&
    (await repo.git.commitOf(`refs/heads/${body.default_branch}`)) === undefined
  )
    throw new Refused(
      422,
      `The branch ${body.default_branch} was not found. Please push that ref first or create it via the Git Data API.`,
    );
  const before = { description: repo.description, branch: repo.defaultBranch, name: repo.name };
  const fullName = world.fullName(repo).toLowerCase();
  if (body.name !== undefined && body.name !== repo.name)
    repo.name = validName(call, world.account(repo.ownerId), body.name);
  applySettings(repo, body);
  if (repo.name !== before.name) world.formerly.set(fullName, repo.id);
  if (repo.name !== before.name) emit("renamed", { repository: { name: { from: before.name } } });
  if (body.default_branch !== undefined) {
    repo.defaultBranch = body.default_branch;
    await repo.git.git(["symbolic-ref", "HEAD", `refs/heads/${repo.defaultBranch}`]);
  }
  const changes = {
    ...(repo.defaultBranch === before.branch ? {} : { default_branch: { from: before.branch } }),
    ...(repo.description === before.description
      ? {}
      : { description: { from: before.description } }),
  };
  if (Object.keys(changes).length > 0) emit("edited", changes);
  const hidden = body.visibility ? body.visibility === "private" : (body.private ?? repo.private);
  if (hidden === repo.private) return;
  repo.private = hidden;
  emit(hidden ? "privatized" : "publicized");
  if (!hidden) world.hooks.emit(repo, { event: "public", action: null, payload: {}, sender });
}

export const repositories: Handlers = {
  "repos/create-for-authenticated-user": (call) => create(call, person(call)),

  "repos/create-in-org": (call) => {
    const owner = named(call, "org");
    if (owner.type !== "Organization") throw notFound();
    if (!call.world.owns(person(call), owner))
      throw new Refused(
        403,
        "You need admin access to the organization before adding a repository to it.",
      );
    return create(call, owner);
  },

  "repos/list-for-authenticated-user": (call) => {
    const { world, query } = call;
    const me = person(call);
    const wanted = new Set(
      String(query["affiliation"] ?? "owner,collaborator,organization_member").split(","),
    );
    const kind = String(query["type"] ?? "all");
    const relation = (repo: Repository): string | undefined => {
      if (repo.ownerId === me.id) return "owner";
      if (repo.roles.has(me.id)) return "collaborator";
      return world.owns(me, world.account(repo.ownerId)) ? "organization_member" : undefined;
    };
    const mine = [...world.repositories.values()].filter((repo) => {
      const how = relation(repo);
      if (how === undefined || !wanted.has(how)) return false;
      if (kind === "owner" || kind === "member") return (how === "owner") === (kind === "owner");
      const visibility = query["visibility"] ?? "all";
      return (
        ofKind(call, repo) && (visibility === "all" || (visibility === "private") === repo.private)
      );
    });
    return list(call, mine, (one) => ({
      ...renderRepository(world, one),
      permissions: permissionsOf(world.roleOf(me, one)),
    }));
  },

  "repos/list-for-user": (call) => {
    const { world, query } = call;
    const account = named(call, "username");
    const kind = query["type"] ?? "owner";
    return list(
      call,
      [...world.repositories.values()].filter(
        (repo) =>
          !repo.private &&
          ((kind !== "member" && repo.ownerId === account.id) ||
            (kind !== "owner" && repo.roles.has(account.id))),
      ),
    );
  },

  "repos/list-for-org": (call) => {
    const { world } = call;
    const owner = named(call, "org");
    if (owner.type !== "Organization") throw notFound();
    return list(
      call,
      [...world.repositories.values()].filter(
        (repo) => repo.ownerId === owner.id && sees(world, call.actor, repo) && ofKind(call, repo),
      ),
    );
  },

  "repos/list-forks": (call) =>
    list(
      call,
      [...call.world.repositories.values()].filter(
        (one) => one.parentId === call.repo.id && sees(call.world, call.actor, one),
      ),
    ),

  "repos/create-fork": async (call) => ({
    status: 202,
    body: full(call, await call.repo.git.exclusively(() => createFork(call))),
  }),

  "repos/update": async (call) => {
    await call.repo.git.exclusively(() => update(call));
    return ok(full(call, call.repo));
  },

  "repos/delete": async (call) => {
    await call.repo.git.exclusively(() => remove(call.world, call.repo, person(call)));
    return noContent();
  },
};
