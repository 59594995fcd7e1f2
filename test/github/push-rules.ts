import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { passesOver, verdictOn } from "./merging.ts";
import type { Account, Repository } from "./state.ts";
import type { World } from "./world.ts";

/** What protection says about pushes by git, as the table that `update-hook.ts` reads. */

/** A check's name may hold anything; the table's lines and fields must not come from it. */
const oneLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f]/g, " ");

/** Writes the table for a push by this account; the path is for the hook's environment. */
export async function writePushRules(world: World, repo: Repository, by: Account): Promise<string> {
  const rules: string[] = [];
  for (const [branch, protection] of repo.protections) {
    const rule = (about: string, what: string): void => {
      rules.push(`refs/heads/${branch}\t${about}\t${oneLine(what)}\n`);
    };
    // These two bind admins as well.
    rule("delete", protection.allowDeletions ? "allowed" : "Cannot delete a protected branch");
    rule("force", protection.allowForcePushes ? "allowed" : "Cannot force-push to this branch");
    if (passesOver(world, repo, protection, by)) continue;
    if (protection.linear) rule("linear", "This branch must not contain merge commits.");
    if (protection.checks.length === 0) continue;
    const reported = new Set([
      ...[...world.checkRuns.values()]
        .filter((run) => run.repoId === repo.id)
        .map((run) => run.headSha),
      ...world.statuses.filter((one) => one.repoId === repo.id).map((one) => one.sha),
    ]);
    for (const sha of reported) {
      const verdict = await verdictOn(world, repo, branch, sha);
      rule(sha, verdict.state === "passing" ? "allowed" : verdict.why);
    }
    const names = protection.checks.map((one) => `"${one.context}"`);
    rule(
      "other",
      names.length === 1
        ? `Required status check ${names[0]} is expected.`
        : `${names.length} of ${names.length} required status checks are expected: ${names.join(", ")}.`,
    );
  }
  const path = join(repo.git.dir, "push-rules");
  await writeFile(path, rules.join(""));
  return path;
}
