import { afterEach, beforeEach, expect, test } from "vitest";
import { refusal, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

let f: Fixture;
beforeEach(async () => {
  f = await startFixture({
    events: ["push", "create", "repository", "public", "fork", "pull_request"],
  });
});
afterEach(async () => {
  await f.github.settled();
  const ledger = f.github.ledger("everyone");
  await f.close();
  expect(ledger).toEqual([]);
});

const at = { owner: "octo", repo: "flake" };
const heard = async (): Promise<string[]> => {
  await f.github.settled();
  return f.received
    .map((one) => [one.event, one.payload["action"]].filter(Boolean).join("."))
    .filter((name) => name !== "installation.created")
    .toSorted();
};

test("a new repository: with its first commit, told to who is installed on all, and workable at once", async () => {
  const me = f.as(f.owner);
  const made = await me.repos.createForAuthenticatedUser({
    name: "new one",
    private: true,
    auto_init: true,
  });
  expect(made.data).toMatchObject({
    full_name: "octo/new-one",
    private: true,
    permissions: { admin: true },
  });
  expect(await heard()).toEqual([
    "create",
    "installation_repositories.added",
    "push",
    "repository.created",
  ]);
  const told = f.received.find((one) => one.event === "installation_repositories");
  expect(told?.payload).toMatchObject({
    repository_selection: "all",
    repositories_added: [{ full_name: "octo/new-one" }],
  });
  expect((await f.bot.repos.get({ owner: "octo", repo: "new-one" })).status).toBe(200);
  expect(await refusal(me.repos.createForAuthenticatedUser({ name: "new-one" }))).toMatchObject({
    status: 422,
  });
  expect(
    await refusal(f.as(f.outsider).repos.get({ owner: "octo", repo: "new-one" })),
  ).toMatchObject({ status: 404 });
  const shown = (await me.repos.listForAuthenticatedUser({ visibility: "private" })).data;
  expect(shown.map((one) => one.name)).toEqual(["new-one"]);
  expect((await me.repos.listForUser({ username: "octo" })).data.map((one) => one.name)).toEqual([
    "flake",
  ]);
  expect(await refusal(f.bot.repos.createForAuthenticatedUser({ name: "x" }))).toMatchObject({
    status: 403,
  });
});

test("an organization's owner makes repositories there, others do not", async () => {
  f.github.createAccount({ login: "guild", type: "Organization", owners: [f.owner] });
  const me = f.as(f.owner);
  await me.repos.createInOrg({ org: "guild", name: "open" });
  await me.repos.createInOrg({ org: "guild", name: "closed", visibility: "private" });
  expect(
    await refusal(f.as(f.outsider).repos.createInOrg({ org: "guild", name: "x" })),
  ).toMatchObject({ status: 403 });
  const names = async (who: Fixture["bot"]) =>
    (await who.repos.listForOrg({ org: "guild" })).data.map((one) => one.name);
  expect(await names(me)).toEqual(["closed", "open"]);
  expect(await names(f.as(f.outsider))).toEqual(["open"]);
  expect(await heard()).toEqual([]); // not installed there
});

test("a fork is made once; it goes, and its pull request stays without a repository", async () => {
  const stranger = f.as(f.outsider);
  expect(await refusal(f.as(f.owner).repos.createFork(at))).toMatchObject({ status: 403 });
  const made = await stranger.repos.createFork(at);
  expect([made.status, made.data.full_name, made.data.parent?.full_name]).toEqual([
    202,
    "passer-by/flake",
    "octo/flake",
  ]);
  expect((await stranger.repos.createFork(at)).data.id).toBe(made.data.id);
  expect((await stranger.repos.listForks(at)).data).toHaveLength(1);
  const fork = { owner: "passer-by", repo: "flake" };
  const { data: main } = await stranger.git.getRef({ ...fork, ref: "heads/main" });
  const commit = await stranger.git.createCommit({
    ...fork,
    message: "x",
    tree: (await stranger.git.getCommit({ ...fork, commit_sha: main.object.sha })).data.tree.sha,
    parents: [main.object.sha],
  });
  await stranger.git.createRef({ ...fork, ref: "refs/heads/mine", sha: commit.data.sha });
  await stranger.pulls.create({ ...at, title: "Mine", head: "passer-by:mine", base: "main" });
  expect(await refusal(f.as(f.owner).repos.delete(fork))).toMatchObject({ status: 403 });
  expect((await stranger.repos.delete(fork)).status).toBe(204);
  const left = await f.bot.request("GET /repos/{owner}/{repo}/pulls/1", at);
  expect(left.data).toMatchObject({ state: "open", head: { repo: null, label: "passer-by:mine" } });
  expect((await f.bot.pulls.list({ ...at, head: "passer-by:mine" })).data).toHaveLength(1);
  expect(await heard()).toEqual(["fork", "pull_request.opened"]);
});

test("settings: default branch, name and visibility, each with its event, by who administers", async () => {
  const me = f.as(f.owner);
  await f.github.commit(f.repo, { as: f.owner, branch: "next", files: { x: "1" } });
  await f.github.settled();
  f.received.length = 0;
  expect(await refusal(f.as(f.outsider).repos.update({ ...at, private: true }))).toMatchObject({
    status: 403,
  });
  expect(await refusal(me.repos.update({ ...at, default_branch: "none" }))).toMatchObject({
    status: 422,
  });
  expect((await me.repos.update({ ...at, default_branch: "next" })).data.default_branch).toBe(
    "next",
  );
  await me.repos.update({ ...at, private: true });
  expect(await refusal(f.as(f.outsider).repos.get(at))).toMatchObject({ status: 404 });
  await me.repos.update({ ...at, visibility: "public" });
  expect((await me.repos.update({ ...at, name: "renamed" })).data.full_name).toBe("octo/renamed");
  expect(await heard()).toEqual([
    "public",
    "repository.edited",
    "repository.privatized",
    "repository.publicized",
    "repository.renamed",
  ]);
});

test("a deleted repository is gone with all that was in it", async () => {
  const head = await f.github.commit(f.repo, { as: f.owner, branch: "feature", files: { x: "1" } });
  await f.github.openPullRequest(f.owner, f.repo, { head: "feature" });
  await f.bot.checks.create({ ...at, name: "snowcat", head_sha: head });
  await f.bot.issues.createComment({ ...at, issue_number: 1, body: "hello" });
  await f.as(f.owner).repos.delete(at);
  expect(await refusal(f.bot.repos.get(at))).toMatchObject({ status: 404 });
  expect(f.github.checkRuns(f.repo)).toEqual([]);
  expect(await heard()).toContain("repository.deleted");
  expect(await heard()).toContain("installation_repositories.removed");
  await f.as(f.owner).repos.createForAuthenticatedUser({ name: "flake" });
  expect((await f.bot.pulls.list({ ...at, state: "all" })).data).toEqual([]);
});
