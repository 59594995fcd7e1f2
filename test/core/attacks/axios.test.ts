import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

/**
 * axios: bots merged a malicious release within five minutes of its publication. Snowcat merges nothing: it has no call
 * that merges, approves a review, enables a merge, moves a branch or writes a file, and no query language to say it in.
 * (Bumps, and how long they wait for a release to cool down, are not built yet.)
 */

const ALLOWED = new Set([
  "apps.createInstallationAccessToken",
  "apps.getAuthenticated",
  "apps.listWebhookDeliveries",
  "apps.redeliverWebhookDelivery",
  "checks.create",
  "checks.get",
  "checks.listForRef",
  "checks.update",
  "git.getCommit",
  // The one issue of a repository that tells how its machines drift.
  "issues.create",
  "issues.createComment",
  "issues.get",
  "issues.getComment",
  "issues.listComments",
  "issues.listForRepo",
  "issues.update",
  "issues.updateComment",
  "pulls.get",
  "reactions.createForIssueComment",
  "repos.compareCommitsWithBasehead",
  // Of a deployment GitHub would merge the default branch into the ref, unless it is told not to: see below.
  "repos.createDeployment",
  "repos.createDeploymentStatus",
  "repos.getBranch",
  "repos.getCollaboratorPermissionLevel",
  "repos.getCommit",
  "repos.listDeployments",
  "teams.getMembershipForUserInOrg",
]);

test("of GitHub's interface it uses what reads and what reports", async () => {
  const root = join(import.meta.dirname, "../../../src");
  const files = (await readdir(root, { recursive: true })).filter((file) => /\.tsx?$/u.test(file));
  const calls = new Set<string>();
  const requests = new Set<string>();
  for (const file of files) {
    const text = await readFile(join(root, file), "utf8");
    for (const [, call = ""] of text.matchAll(/\.rest\s*\.\s*(\w+\s*\.\s*\w+)/gu))
      calls.add(call.replaceAll(/\s/gu, ""));
    for (const [, request = ""] of text.matchAll(/\.request\(\s*["'`]([^"'`]*)/gu))
      requests.add(request);
    for (const [, deployment = ""] of text.matchAll(/\.createDeployment\(([^;]*)/gu))
      expect(deployment, file).toContain("auto_merge: false");
    expect(text, file).not.toMatch(
      /\.graphql\b|enablePullRequestAutoMerge|\.rest\s*\[|pulls\/\{[^}]*\}\/merge/u,
    );
  }
  expect(calls.size).toBeGreaterThan(5);
  expect([...calls].filter((call) => !ALLOWED.has(call))).toEqual([]);
  // What is written out as a path only reads.
  expect([...requests].filter((request) => !request.startsWith("GET ")).toSorted()).toEqual([]);
});
