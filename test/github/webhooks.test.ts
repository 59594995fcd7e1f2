import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { defaultEvents, defaultPermissions } from "./admin.ts";
import { startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";
import { fault, webhookFault } from "./validate.ts";

type Payload = Record<string, unknown>;
const examples = createRequire(import.meta.url)("@octokit/webhooks-examples") as {
  name: string;
  examples: Payload[];
}[];

const at = { owner: "octo", repo: "flake" };

/** Makes the double send one of everything a repository sees. */
async function everything(f: Fixture): Promise<void> {
  const { github, owner, repo } = f;
  const head = await github.commit(repo, { as: owner, branch: "feature", files: { x: "1" } });
  await github.openPullRequest(owner, repo, { head: "feature" });
  const run = await f.bot.checks.create({
    ...at,
    name: "snowcat",
    head_sha: head,
    conclusion: "success",
    actions: [{ label: "a", identifier: "a", description: "a" }],
    output: { title: "t", summary: "s" },
  });
  await f.as(owner).checks.rerequestRun({ ...at, check_run_id: run.data.id });
  await f.as(owner).checks.rerequestSuite({
    ...at,
    check_suite_id: run.data.check_suite?.id ?? 0,
  });
  for (const stored of github.checkRuns(repo)) github.requestAction(owner, stored, "a");
  await f.bot.repos.createCommitStatus({ ...at, sha: head, state: "success" });
  const comment = github.comment(owner, repo, 1, "x");
  github.editComment(owner, repo, comment, "y");
  github.deleteComment(owner, repo, comment);
  await github.commit(repo, { as: owner, branch: "feature", files: { x: "2" } });
  const me = f.as(owner);
  await me.pulls.update({ ...at, pull_number: 1, title: "n", state: "closed" });
  await me.pulls.update({ ...at, pull_number: 1, state: "open" });
  await me.issues.update({ ...at, issue_number: 1, labels: ["nix"] });
  await me.issues.update({ ...at, issue_number: 1, labels: [] });
  await (await github.enqueue(owner, repo, 1)).conclude();
  const issue = {
    ...at,
    issue_number: (await me.issues.create({ ...at, title: "x" })).data.number,
  };
  await me.issues.update({ ...issue, title: "y", state: "closed", labels: ["nix"] });
  await me.issues.update({ ...issue, state: "open", labels: [] });
  await me.repos.addCollaborator({ ...at, username: "passer-by" });
  await me.repos.removeCollaborator({ ...at, username: "passer-by" });
  await f.as(f.outsider).repos.createFork(at);
  await me.repos.update({ ...at, private: true, description: "x" });
  await me.repos.update({ ...at, private: false });
  await me.repos.createForAuthenticatedUser({ name: "gone" });
  await me.repos.delete({ owner: "octo", repo: "gone" });
  await github.moveBranch(repo, "feature", null, owner);
  await github.settled();
}

/** Keys that every example has at a place and ours has not. Permissions depend on the App. */
function missing(theirs: unknown[], ours: unknown, path: string): string[] {
  const objects = theirs.filter(isObject);
  const [first] = objects;
  if (!isObject(ours) || !first) return [];
  return Object.keys(first)
    .filter((key) => !["permissions", "organization", "enterprise"].includes(key))
    .filter((key) => objects.every((one) => key in one))
    .flatMap((key) => {
      const here = `${path}.${key}`;
      if (!(key in ours)) return [here];
      return missing(
        objects.map((one) => one[key]),
        ours[key],
        here,
      );
    });
}

const isObject = (value: unknown): value is Payload =>
  typeof value === "object" && value !== null && !Array.isArray(value);

test("every webhook has what GitHub's own example payloads have in common", async () => {
  const f = await startFixture({
    permissions: { ...defaultPermissions, members: "read" },
    events: [...defaultEvents, "issues", "public", "fork", "member"],
  });
  await everything(f);
  const lacking = f.received.flatMap((one) => {
    const { action } = one.payload;
    const like = examples.find((known) => known.name === one.event)?.examples ?? [];
    const same = like.filter((known) => known["action"] === action);
    return missing(same, one.payload, `${one.event} ${JSON.stringify(action)}`);
  });
  expect(lacking).toEqual([]);
  expect(new Set(f.received.map((one) => one.event))).toEqual(
    new Set([
      "installation",
      "installation_repositories",
      "repository",
      "public",
      "fork",
      "member",
      "issues",
      "create",
      "delete",
      "push",
      "pull_request",
      "issue_comment",
      "check_run",
      "check_suite",
      "status",
      "merge_group",
    ]),
  );
  expect(f.github.ledger()).toEqual([]);
  await f.close();
});

test("the validators see what is wrong", () => {
  const schema = { $ref: "#/components/schemas/git-ref" };
  const ref = {
    ref: "refs/heads/main",
    node_id: "x",
    url: "http://127.0.0.1/x",
    object: { type: "commit", sha: "a".repeat(40), url: "http://127.0.0.1/y" },
  };
  expect(fault(schema, ref)).toBeUndefined();
  expect(fault(schema, { ...ref, url: "no address" })).toMatch(/\/url must match format/);
  expect(fault(schema, { ...ref, object: null })).toMatch(/\/object must be object/);
  expect(fault({ type: "string", nullable: true, enum: ["a"] }, null)).toBeUndefined();
  expect(fault({ type: "string", enum: ["a"] }, null)).toMatch(/must be string/);
  expect(webhookFault("push", null, { ref: "refs/heads/main" })).toMatch(/required/);
  expect(webhookFault("nothing", "known", {})).toMatch(/no webhook/);
});
