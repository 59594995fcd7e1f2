import { afterEach, beforeEach, expect, test } from "vitest";
import { refusal, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

let f: Fixture;
beforeEach(async () => {
  f = await startFixture();
});
afterEach(async () => {
  await f.github.settled();
  const ledger = f.github.ledger("everyone");
  await f.close();
  expect(ledger).toEqual([]);
});

const at = { owner: "octo", repo: "flake" };
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const tip = async (branch: string, of = at): Promise<string> =>
  (await f.bot.git.getRef({ ...of, ref: `heads/${branch}` })).data.object.sha;
const events = (): string[] =>
  f.received.map((one) => [one.event, one.payload["action"]].filter(Boolean).join("."));

test("files are made, changed and deleted through the contents API, each a push", async () => {
  const me = f.as(f.owner);
  await f.github.commit(f.repo, { as: f.owner, branch: "feature", files: { x: "1" } });
  await f.github.openPullRequest(f.owner, f.repo, { head: "feature" });
  await f.github.settled();
  f.received.length = 0;
  const file = { ...at, path: "nix/new.nix", branch: "feature" };
  const made = await me.repos.createOrUpdateFileContents({
    ...file,
    message: "Add",
    content: base64("{ }\n"),
  });
  expect([made.status, made.data.commit.sha]).toEqual([201, await tip("feature")]);
  const sha = made.data.content?.sha ?? "";
  const again = { ...file, message: "Change", content: base64("{ a = 1; }\n") };
  expect(await refusal(me.repos.createOrUpdateFileContents(again))).toMatchObject({ status: 422 });
  expect(
    await refusal(me.repos.createOrUpdateFileContents({ ...again, sha: "0".repeat(40) })),
  ).toMatchObject({ status: 409 });
  const changed = await me.repos.createOrUpdateFileContents({ ...again, sha });
  expect([changed.status, changed.data.commit.parents?.[0]?.sha]).toEqual([
    200,
    made.data.commit.sha,
  ]);
  await me.repos.deleteFile({ ...file, message: "Drop", sha: changed.data.content?.sha ?? "" });
  expect(
    await refusal(me.repos.getContent({ ...at, path: file.path, ref: "feature" })),
  ).toMatchObject({ status: 404 });
  await f.github.settled();
  expect(
    events()
      .filter((one) => one !== "check_suite.requested")
      .toSorted(),
  ).toEqual([
    ...Array.from({ length: 3 }, () => "pull_request.synchronize"),
    ...Array.from({ length: 3 }, () => "push"),
  ]);
  expect(
    await refusal(
      f
        .as(f.outsider)
        .repos.createOrUpdateFileContents({ ...file, path: "evil", message: "x", content: "" }),
    ),
  ).toMatchObject({ status: 403 });
  expect(
    await refusal(
      me.repos.createOrUpdateFileContents({
        ...file,
        path: "a/../../b",
        message: "x",
        content: "",
      }),
    ),
  ).toMatchObject({ status: 422 });
  expect(
    await refusal(
      me.repos.createOrUpdateFileContents({ ...file, path: "b", message: "x", content: "?" }),
    ),
  ).toMatchObject({ status: 422 });
  expect(
    await refusal(
      me.repos.createOrUpdateFileContents({
        ...file,
        branch: "none",
        path: "b",
        message: "x",
        content: "",
      }),
    ),
  ).toMatchObject({ status: 404 });
});

test("an empty repository gets its first commit through the contents API", async () => {
  await f.as(f.owner).repos.createForAuthenticatedUser({ name: "empty" });
  const empty = { owner: "octo", repo: "empty" };
  const made = await f.as(f.owner).repos.createOrUpdateFileContents({
    ...empty,
    path: "flake.nix",
    message: "First",
    content: base64("{ }\n"),
  });
  expect(await tip("main", empty)).toBe(made.data.commit.sha);
});

test("branches merge into branches, forks catch up, pull requests take their base in", async () => {
  const me = f.as(f.owner);
  const side = await f.github.commit(f.repo, { as: f.owner, branch: "side", files: { y: "1" } });
  const fork = { owner: "passer-by", repo: "flake" };
  await f.as(f.outsider).repos.createFork(at);
  const theirs = f.as(f.outsider);
  await theirs.repos.createOrUpdateFileContents({
    ...fork,
    path: "mine",
    message: "Mine",
    content: "",
    branch: "side",
  });
  await theirs.pulls.create({ ...at, title: "Mine", head: "passer-by:side", base: "main" });
  const merged = await me.repos.merge({ ...at, base: "main", head: "side" });
  expect(merged.data.parents[1]?.sha).toBe(side);
  expect((await me.repos.merge({ ...at, base: "main", head: "side" })).status).toBe(204);
  expect(await refusal(theirs.repos.merge({ ...at, base: "main", head: "side" }))).toMatchObject({
    status: 403,
  });

  const caughtUp = await theirs.repos.mergeUpstream({ ...fork, branch: "main" });
  expect(caughtUp.data.merge_type).toBe("fast-forward");
  expect(await tip("main", fork)).toBe(await tip("main"));
  expect((await theirs.repos.mergeUpstream({ ...fork, branch: "main" })).data.merge_type).toBe(
    "none",
  );

  const before = await tip("side", fork);
  expect(
    await refusal(theirs.pulls.updateBranch({ ...at, pull_number: 1, expected_head_sha: side })),
  ).toMatchObject({ status: 422 });
  expect(
    (await theirs.pulls.updateBranch({ ...at, pull_number: 1, expected_head_sha: before })).status,
  ).toBe(202);
  expect(await refusal(theirs.pulls.updateBranch({ ...at, pull_number: 1 }))).toMatchObject({
    status: 422,
  });
  await f.github.settled();
  const moved = f.received.filter((one) => one.payload["action"] === "synchronize");
  expect(moved.map((one) => one.payload)).toMatchObject([
    { before, after: await tip("side", fork) },
  ]);
});

test("merging by rebase replays each commit; what conflicts or is switched off is refused", async () => {
  const me = f.as(f.owner);
  for (const x of ["1", "2"])
    await f.github.commit(f.repo, { as: f.owner, branch: "feature", files: { x } });
  await f.github.openPullRequest(f.owner, f.repo, { head: "feature" });
  const base = await f.github.commit(f.repo, { as: f.owner, files: { other: "1" } });
  await me.repos.update({ ...at, allow_rebase_merge: false, delete_branch_on_merge: true });
  const rebase = { ...at, pull_number: 1, merge_method: "rebase" as const };
  expect(await refusal(me.pulls.merge(rebase))).toMatchObject({ status: 405 });
  await me.repos.update({ ...at, allow_rebase_merge: true });
  const { sha } = (await me.pulls.merge(rebase)).data;
  const log = (await me.repos.listCommits({ ...at, sha: "main" })).data;
  expect([log[0]?.sha, log[2]?.sha]).toEqual([sha, base]);
  expect(log.every((one) => one.parents.length < 2)).toBe(true);
  expect(await refusal(f.bot.git.getRef({ ...at, ref: "heads/feature" }))).toMatchObject({
    status: 404,
  });
});
