import { afterEach, beforeEach, expect, test } from "vitest";
import { refusal, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

let f: Fixture;
beforeEach(async () => {
  f = await startFixture();
});
afterEach(async () => {
  await f.github.settled();
  const ledger = f.github.ledger();
  await f.close();
  expect(ledger).toEqual([]);
});

const at = { owner: "octo", repo: "flake" };

test("the merge queue merges exactly the commit that was checked, or throws it out", async () => {
  await f.github.commit(f.repo, { as: f.owner, branch: "feature", files: { x: "1" } });
  await f.github.openPullRequest(f.owner, f.repo, { head: "feature" });
  f.github.protect(f.repo, "main", [{ context: "snowcat", appId: f.app.id }]);
  const first = await f.github.enqueue(f.owner, f.repo, 1);
  expect(await first.conclude()).toMatch(/snowcat/);
  const second = await f.github.enqueue(f.owner, f.repo, 1);
  await f.bot.checks.create({
    ...at,
    name: "snowcat",
    head_sha: second.headSha,
    conclusion: "success",
  });
  expect(await second.conclude()).toBeUndefined();
  expect((await f.bot.repos.getBranch({ ...at, branch: "main" })).data.commit.sha).toBe(
    second.headSha,
  );
  expect((await f.bot.pulls.get({ ...at, pull_number: 1 })).data.merged).toBe(true);
  await f.github.settled();
  const groups = f.received.filter((one) => one.event === "merge_group");
  const told = groups.map(
    (one) => `${String(one.payload["action"])} ${String(one.payload["reason"])}`,
  );
  expect(told.toSorted()).toEqual([
    "checks_requested undefined",
    "checks_requested undefined",
    "destroyed dequeued",
    "destroyed merged",
  ]);
});

test("deployments: green checks first, a success makes the one before inactive", async () => {
  const sha = await f.github.commit(f.repo, { as: f.owner, files: { x: "1" } });
  const run = await f.bot.checks.create({
    ...at,
    name: "snowcat",
    head_sha: sha,
    status: "in_progress",
  });
  const ask = () =>
    f.bot.repos.createDeployment({
      ...at,
      ref: sha,
      environment: "machine1",
      auto_merge: false,
      required_contexts: ["snowcat"],
    });
  expect(await refusal(ask())).toMatchObject({ status: 409 });
  await f.bot.checks.update({ ...at, check_run_id: run.data.id, conclusion: "success" });
  for (let n = 0; n < 2; n++) {
    const made = (await ask()).data as { id: number };
    await f.bot.repos.createDeploymentStatus({
      ...at,
      deployment_id: made.id,
      state: "success",
      description: "up",
    });
  }
  const all = (await f.bot.repos.listDeployments({ ...at, environment: "machine1" })).data;
  const states = await Promise.all(
    all.map(
      async (one) =>
        (await f.bot.repos.listDeploymentStatuses({ ...at, deployment_id: one.id })).data[0]?.state,
    ),
  );
  expect(states).toEqual(["success", "inactive"]);
  expect(
    (await f.bot.repos.getAllEnvironments(at)).data.environments?.map((one) => one.name),
  ).toEqual(["machine1"]);
});

test("the page of a pull request escapes what attackers write", async () => {
  const hostile = `<script>alert("x")</script>`;
  const head = await f.github.commit(f.repo, { as: f.owner, branch: "feature", files: { x: "1" } });
  await f.github.openPullRequest(f.owner, f.repo, {
    head: "feature",
    title: hostile,
    body: hostile,
  });
  f.github.comment(f.outsider, f.repo, 1, hostile);
  await f.bot.checks.create({
    ...at,
    name: hostile,
    head_sha: head,
    conclusion: "failure",
    details_url: "https://snowcat.test/run",
    output: { title: hostile, summary: hostile },
  });
  const shown = await fetch(`${f.github.url}/html/octo/flake/pull/1`);
  const text = await shown.text();
  expect(text).toContain("&lt;script&gt;");
  expect(text).toContain(head);
  expect(text).not.toContain("<script");
  expect(shown.headers.get("content-security-policy")).toContain("default-src 'none'");
  await f.github.createRepository({
    owner: f.owner,
    name: "hidden",
    private: true,
    files: { a: "1" },
  });
  expect((await fetch(`${f.github.url}/html/octo/hidden/pull/1`)).status).toBe(404);
});

test("git data: a tree with a submodule and an executable becomes a commit and a branch", async () => {
  const main = (await f.bot.git.getRef({ ...at, ref: "heads/main" })).data.object.sha;
  const blob = await f.bot.git.createBlob({
    ...at,
    content: Buffer.from("#!/bin/sh\n").toString("base64"),
    encoding: "base64",
  });
  const tree = await f.bot.git.createTree({
    ...at,
    base_tree: main,
    tree: [
      { path: "run.sh", mode: "100755", type: "blob", sha: blob.data.sha },
      { path: "vendored", mode: "160000", type: "commit", sha: main },
      { path: "README.md", mode: "100644", type: "blob", sha: null },
    ],
  });
  const commit = await f.bot.git.createCommit({
    ...at,
    message: "Bump",
    tree: tree.data.sha,
    parents: [main],
  });
  await f.bot.git.createRef({ ...at, ref: "refs/heads/bump", sha: commit.data.sha });
  const written = await f.bot.git.getTree({ ...at, tree_sha: commit.data.sha });
  expect(written.data.tree.map((one) => `${one.mode} ${one.path}`)).toEqual([
    "100644 flake.nix",
    "040000 nix",
    "100755 run.sh",
    "160000 vendored",
  ]);
  expect(
    await refusal(
      f.bot.git.updateRef({
        ...at,
        ref: "heads/bump",
        sha: await f.github.commit(f.repo, {
          as: f.owner,
          branch: "side",
          parent: "main",
          files: { y: "1" },
        }),
      }),
    ),
  ).toMatchObject({ status: 422 });
  expect(
    (await f.bot.git.updateRef({ ...at, ref: "heads/bump", sha: main, force: true })).data.object
      .sha,
  ).toBe(main);
});

test("installations grow, shrink, pause and end; the App hears of it and its tokens stop", async () => {
  const other = await f.github.createRepository({
    owner: f.owner,
    name: "other",
    files: { a: "1" },
  });
  const app = await f.github.createApp({
    owner: f.owner,
    slug: "second",
    webhookSecret: "y",
    hookUrl: f.app.hookUrl,
  });
  const installed = f.github.install(app, f.owner, { repositories: [f.repo] });
  f.github.changeInstallation(installed, { add: [other] });
  f.github.changeInstallation(installed, { remove: [other] });
  f.github.endInstallation(f.installation, "suspend");
  expect(await refusal(f.bot.repos.get(at))).toMatchObject({ status: 403 });
  f.github.endInstallation(f.installation, "unsuspend");
  expect((await f.bot.repos.get(at)).status).toBe(200);
  f.github.endInstallation(installed, "deleted");
  await f.github.settled();
  const names = f.received.map((one) => `${one.event}.${String(one.payload["action"])}`);
  expect(names.toSorted()).toEqual([
    "installation.created",
    "installation.created",
    "installation.deleted",
    "installation.suspend",
    "installation.unsuspend",
    "installation_repositories.added",
    "installation_repositories.removed",
  ]);
});

test("forced pushes, deletions and new branches say so", async () => {
  const first = await f.github.commit(f.repo, { as: f.owner, branch: "b", files: { x: "1" } });
  await f.github.commit(f.repo, { as: f.owner, branch: "b", files: { x: "2" } });
  const side = await f.github.commit(f.repo, {
    as: f.owner,
    branch: "side",
    parent: "main",
    files: { y: "1" },
  });
  await f.github.moveBranch(f.repo, "b", side, f.owner);
  await f.github.moveBranch(f.repo, "b", null, f.owner);
  await f.github.settled();
  const pushes = f.received.filter(
    (one) => one.event === "push" && one.payload["ref"] === "refs/heads/b",
  );
  const flags = pushes.map(
    (one) =>
      ["created", "forced", "deleted"].filter((flag) => one.payload[flag] === true).join() ||
      "plain",
  );
  expect(flags.toSorted()).toEqual(["created", "deleted", "forced", "plain"]);
  expect(pushes.find((one) => one.payload["created"])?.payload).toMatchObject({
    after: first,
    head_commit: { added: ["x"] },
  });
});
