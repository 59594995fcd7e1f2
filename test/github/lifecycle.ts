import { rm } from "node:fs/promises";
import { renderRepositoryStub } from "./render/repository.ts";
import type { Account, Installation, Repository } from "./state.ts";
import type { World } from "./world.ts";

/** Repositories that come and go while Apps are installed: who hears of it, and what goes with them. */

/** `repository.created`, and `installation_repositories.added` for whoever covers all of the owner's repositories. */
export function announce(world: World, repo: Repository, sender: Account): void {
  world.hooks.emit(repo, { event: "repository", action: "created", payload: {}, sender });
  for (const installation of world.installationsOn(repo))
    tellChange(world, installation, "added", repo, sender);
}

/** Removes it with everything in it; its oldest fork becomes the root of the others. */
export async function remove(world: World, repo: Repository, sender: Account): Promise<void> {
  world.hooks.emit(repo, { event: "repository", action: "deleted", payload: {}, sender });
  const covering = world.installationsOn(repo);
  world.repositories.delete(repo.id);
  for (const installation of covering) {
    if (installation.repositories !== "all") installation.repositories.delete(repo.id);
    tellChange(world, installation, "removed", repo, sender);
  }
  const [heir, ...others] = [...world.repositories.values()].filter(
    (one) => one.parentId === repo.id,
  );
  if (heir) heir.parentId = null;
  for (const one of others) one.parentId = heir?.id ?? null;
  for (const subject of [...world.comments.values(), ...world.issues.values()]) {
    if (subject.repoId !== repo.id) continue;
    for (const reaction of world.reactions.values())
      if (reaction.subjectId === subject.id) world.reactions.delete(reaction.id);
  }
  const within: Map<number, { id: number; repoId: number }>[] = [
    world.issues,
    world.comments,
    world.checkRuns,
    world.checkSuites,
    world.deployments,
  ];
  for (const kind of within)
    for (const one of kind.values()) if (one.repoId === repo.id) kind.delete(one.id);
  world.statuses.splice(
    0,
    Number.POSITIVE_INFINITY,
    ...world.statuses.filter((one) => one.repoId !== repo.id),
  );
  await rm(repo.git.dir, { recursive: true, force: true, maxRetries: 3 });
}

function tellChange(
  world: World,
  installation: Installation,
  action: "added" | "removed",
  repo: Repository,
  sender: Account,
): void {
  const stub = [renderRepositoryStub(world, repo)];
  world.hooks.emitInstallation(installation, {
    event: "installation_repositories",
    action,
    payload: {
      repository_selection: installation.repositories === "all" ? "all" : "selected",
      repositories_added: action === "added" ? stub : [],
      repositories_removed: action === "removed" ? stub : [],
      requester: null,
    },
    sender,
  });
}
