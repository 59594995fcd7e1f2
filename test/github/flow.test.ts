import { afterEach, beforeEach, expect, test } from "vitest";
import { startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";
import { sign } from "./events.ts";

let f: Fixture;
beforeEach(async () => {
  f = await startFixture();
});
afterEach(async () => {
  const ledger = f.github.ledger();
  await f.close();
  expect(ledger).toEqual([]);
});

const at = { owner: "octo", repo: "flake" };

test("a push over HTTP, a pull request, its checks and the merge: all valid, all told", async () => {
  const clone = await f.github.clone(f.repo, f.owner);
  await clone.git("checkout", "-q", "-b", "feature");
  await clone.write({ "added.nix": "1\n" });
  const head = await clone.commit("Add a file");
  expect((await clone.push()).code).toBe(0);
  await clone.remove();

  const opened = await f
    .as(f.owner)
    .pulls.create({ ...at, title: "A feature", head: "feature", base: "main" });
  expect(opened.data.mergeable).toBeNull();
  expect((await f.bot.pulls.get({ ...at, pull_number: 1 })).data.mergeable).toBeNull();
  const computed = await f.bot.pulls.get({ ...at, pull_number: 1 });
  expect(computed.data.mergeable).toBe(true);
  const testMerge = await f.bot.git.getRef({ ...at, ref: "pull/1/merge" });
  expect(testMerge.data.object.sha).toBe(computed.data.merge_commit_sha);

  const run = await f.bot.checks.create({
    ...at,
    name: "snowcat",
    head_sha: head,
    status: "in_progress",
  });
  await f.bot.checks.update({
    ...at,
    check_run_id: run.data.id,
    conclusion: "success",
    output: { title: "ok", summary: "all built" },
  });
  const merged = await f.as(f.owner).pulls.merge({ ...at, pull_number: 1 });
  expect(merged.data.merged).toBe(true);
  expect((await f.bot.repos.getBranch({ ...at, branch: "main" })).data.commit.sha).toBe(
    merged.data.sha,
  );

  await f.github.settled();
  const events = f.received.map((one) =>
    [one.event, one.payload["action"]].filter(Boolean).join("."),
  );
  expect(events.toSorted()).toEqual(
    [
      "installation.created",
      "create",
      "push",
      "check_suite.requested",
      "pull_request.opened",
      "check_run.created",
      "check_run.completed",
      "check_suite.completed",
      "push",
      "check_suite.requested",
      "pull_request.closed",
    ].toSorted(),
  );
  for (const one of f.received) {
    expect(one.headers["x-hub-signature-256"]).toBe(sign(f.app.webhookSecret, one.body));
    expect(one.payload["installation"]).toMatchObject({ id: f.installation.id });
  }
});

test("the read side answers in the published shape", async () => {
  const head = await f.github.commit(f.repo, {
    as: f.owner,
    branch: "a/b",
    files: { "nix/module.nix": "{ a = 1; }\n", "README.md": null },
  });
  expect((await f.bot.repos.get(at)).data.default_branch).toBe("main");
  expect((await f.bot.request("GET /repositories/{id}", { id: f.repo.id })).data.full_name).toBe(
    "octo/flake",
  );
  expect((await f.bot.repos.listBranches(at)).data.map((one) => one.name)).toEqual(["a/b", "main"]);
  expect((await f.bot.repos.getBranch({ ...at, branch: "a/b" })).data.commit.sha).toBe(head);
  expect(
    (await f.bot.repos.getCommit({ ...at, ref: "a/b" })).data.files?.map((one) => [
      one.filename,
      one.status,
    ]),
  ).toEqual([
    ["README.md", "removed"],
    ["nix/module.nix", "modified"],
  ]);
  expect((await f.bot.repos.listCommits({ ...at, sha: "a/b" })).data).toHaveLength(2);
  expect(
    (await f.bot.repos.compareCommitsWithBasehead({ ...at, basehead: "main...a/b" })).data,
  ).toMatchObject({ status: "ahead", ahead_by: 1, behind_by: 0 });
  const file = await f.bot.repos.getContent({ ...at, path: "nix/module.nix", ref: head });
  expect(Buffer.from((file.data as { content: string }).content, "base64").toString()).toBe(
    "{ a = 1; }\n",
  );
  expect(
    ((await f.bot.repos.getContent({ ...at, path: "" })).data as { name: string }[]).map(
      (one) => one.name,
    ),
  ).toEqual(["README.md", "flake.nix", "nix"]);
  const tree = await f.bot.git.getTree({ ...at, tree_sha: head, recursive: "1" });
  expect(tree.data.tree.map((one) => one.path)).toEqual(["flake.nix", "nix", "nix/module.nix"]);
  expect((await f.bot.git.getCommit({ ...at, commit_sha: head })).data.tree.sha).toBe(
    tree.data.sha,
  );
  expect(
    (await f.bot.git.getBlob({ ...at, file_sha: tree.data.tree[0]?.sha ?? "" })).data.size,
  ).toBe(22);
  expect((await f.bot.git.listMatchingRefs({ ...at, ref: "heads/" })).data).toHaveLength(2);
  const tarball = await f.bot.repos.downloadTarballArchive({ ...at, ref: head });
  expect((tarball.data as ArrayBuffer).byteLength).toBeGreaterThan(100);
  expect(
    (await f.bot.repos.getCollaboratorPermissionLevel({ ...at, username: "octo" })).data.role_name,
  ).toBe("admin");
  expect((await f.bot.rateLimit.get()).data.rate.used).toBeGreaterThan(10);
  expect((await f.bot.apps.listReposAccessibleToInstallation()).data.total_count).toBe(1);
  expect((await f.asApp.apps.getAuthenticated()).data?.id).toBe(f.app.id);
  expect((await f.asApp.apps.getRepoInstallation(at)).data.id).toBe(f.installation.id);
  expect((await f.asApp.apps.listInstallations()).data).toHaveLength(1);
  expect((await f.as(f.owner).users.getAuthenticated()).data.login).toBe("octo");
});
