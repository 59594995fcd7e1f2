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
const names = (): string[] =>
  f.received.map((one) => [one.event, one.payload["action"]].filter(Boolean).join("."));

async function pull(
  branch = "feature",
  files: Record<string, string> = { [branch]: "1\n" },
): Promise<{ number: number; head: string }> {
  const head = await f.github.commit(f.repo, { as: f.owner, branch, files });
  const { number } = await f.github.openPullRequest(f.owner, f.repo, { head: branch });
  return { number, head };
}

test.each([
  ["success", true],
  ["neutral", true],
  ["skipped", true],
  ["failure", false],
  ["action_required", false],
  ["cancelled", false],
  ["timed_out", false],
  [null, false],
] as const)("a required check that ends %s lets merge: %s", async (conclusion, merges) => {
  const { number, head } = await pull();
  f.github.protect(f.repo, "main", [{ context: "snowcat", appId: f.app.id }]);
  if (conclusion) await f.bot.checks.create({ ...at, name: "snowcat", head_sha: head, conclusion });
  const merge = f.as(f.owner).pulls.merge({ ...at, pull_number: number });
  if (merges) expect((await merge).data.merged).toBe(true);
  else
    expect(await refusal(merge)).toMatchObject({
      status: 405,
      message: expect.stringContaining("snowcat") as string,
    });
});

test("a required check belongs to an App: a status or another App of that name does not do", async () => {
  const { number, head } = await pull();
  f.github.protect(f.repo, "main", [{ context: "snowcat", appId: f.app.id + 1 }]);
  await f.bot.checks.create({ ...at, name: "snowcat", head_sha: head, conclusion: "success" });
  await f.bot.repos.createCommitStatus({ ...at, sha: head, state: "success", context: "snowcat" });
  expect(await refusal(f.as(f.owner).pulls.merge({ ...at, pull_number: number }))).toMatchObject({
    status: 405,
  });
  f.github.protect(f.repo, "main", ["snowcat"]);
  expect((await f.bot.repos.getCombinedStatusForRef({ ...at, ref: head })).data.state).toBe(
    "success",
  );
  expect((await f.as(f.owner).pulls.merge({ ...at, pull_number: number })).status).toBe(200);
});

test("a newer run of the same name replaces the older verdict", async () => {
  const { number, head } = await pull();
  f.github.protect(f.repo, "main", ["snowcat"]);
  await f.bot.checks.create({ ...at, name: "snowcat", head_sha: head, conclusion: "success" });
  await f.bot.checks.create({ ...at, name: "snowcat", head_sha: head, status: "in_progress" });
  expect(await refusal(f.as(f.owner).pulls.merge({ ...at, pull_number: number }))).toMatchObject({
    status: 405,
  });
  const latest = await f.bot.checks.listForRef({ ...at, ref: head });
  const all = await f.bot.checks.listForRef({ ...at, ref: head, filter: "all" });
  expect([latest.data.total_count, all.data.total_count]).toEqual([1, 2]);
  expect((await f.bot.checks.listSuitesForRef({ ...at, ref: head })).data.total_count).toBe(1);
});

test("a conflict: mergeable is null, then false; it does not merge", async () => {
  const { number } = await pull("clash", { "README.md": "theirs\n" });
  await f.github.commit(f.repo, { as: f.owner, files: { "README.md": "ours\n" } });
  expect((await f.bot.pulls.get({ ...at, pull_number: number })).data.mergeable).toBeNull();
  const known = (await f.bot.pulls.get({ ...at, pull_number: number })).data;
  expect([known.mergeable, known.mergeable_state, known.merge_commit_sha]).toEqual([
    false,
    "dirty",
    null,
  ]);
  expect(await refusal(f.bot.git.getRef({ ...at, ref: `pull/${number}/merge` }))).toMatchObject({
    status: 404,
  });
  expect(await refusal(f.as(f.owner).pulls.merge({ ...at, pull_number: number }))).toMatchObject({
    status: 405,
  });
});

test("a push to the base makes mergeability unknown again, and the old merge ref is stale", async () => {
  const { number } = await pull();
  const first = await f.github.computeMergeability(f.repo, number);
  const base = await f.github.commit(f.repo, { as: f.owner, files: { other: "1\n" } });
  expect((await f.bot.pulls.get({ ...at, pull_number: number })).data.mergeable).toBeNull();
  expect((await f.bot.git.getRef({ ...at, ref: `pull/${number}/merge` })).data.object.sha).toBe(
    first,
  );
  const known = (await f.bot.pulls.get({ ...at, pull_number: number })).data;
  const commit = await f.bot.git.getCommit({ ...at, commit_sha: known.merge_commit_sha ?? "" });
  expect(commit.data.parents[0]?.sha).toBe(base);
});

test("an answer on mergeability may never come", async () => {
  const { number } = await pull();
  f.github.setMergeablePolls(Number.POSITIVE_INFINITY);
  for (let asked = 0; asked < 4; asked++)
    expect((await f.bot.pulls.get({ ...at, pull_number: number })).data.mergeable).toBeNull();
});

test("a fork's pull request: heads arrive by refs/pull, checks name no pull request, a push to the fork synchronizes", async () => {
  const theirs = await f.github.fork(f.repo, f.outsider);
  const clone = await f.github.clone(theirs, f.outsider);
  await clone.write({ "theirs.nix": "1\n" });
  const head = await clone.commit("From outside");
  expect((await clone.push()).code).toBe(0);
  const opened = await f
    .as(f.outsider)
    .pulls.create({ ...at, title: "Hello", head: "passer-by:main", base: "main" });
  expect(opened.data.head.repo?.full_name).toBe("passer-by/flake");
  expect((await f.bot.git.getRef({ ...at, ref: "pull/1/head" })).data.object.sha).toBe(head);
  const run = await f.bot.checks.create({ ...at, name: "snowcat", head_sha: head });
  expect(run.data.pull_requests).toEqual([]);
  const next = await clone.commit("More");
  expect((await clone.push()).code).toBe(0);
  await clone.remove();
  await f.github.settled();
  const moved = f.received.find((one) => one.payload["action"] === "synchronize");
  expect(moved?.payload).toMatchObject({
    before: head,
    after: next,
    pull_request: { head: { sha: next } },
  });
  // The App is not installed on the fork: its pushes are not heard.
  expect(names().filter((name) => name === "push")).toEqual([]);
  expect(
    (await f.bot.pulls.listFiles({ ...at, pull_number: 1 })).data.map((one) => one.filename),
  ).toEqual(["theirs.nix"]);
  expect((await f.bot.pulls.listCommits({ ...at, pull_number: 1 })).data).toHaveLength(2);
  expect(
    (await f.bot.repos.listPullRequestsAssociatedWithCommit({ ...at, commit_sha: next })).data,
  ).toHaveLength(1);
});

test("lists lag behind, single objects do not", async () => {
  const { number, head } = await pull();
  f.github.setListLag(2);
  const run = await f.bot.checks.create({ ...at, name: "snowcat", head_sha: head });
  expect((await f.bot.checks.get({ ...at, check_run_id: run.data.id })).status).toBe(200);
  expect((await f.bot.checks.listForRef({ ...at, ref: head })).data.total_count).toBe(0);
  expect((await f.bot.checks.listForRef({ ...at, ref: head })).data.total_count).toBe(1);
  const comment = await f.bot.issues.createComment({ ...at, issue_number: number, body: "hello" });
  expect((await f.bot.issues.listComments({ ...at, issue_number: number })).data).toEqual([]);
  expect((await f.bot.issues.getComment({ ...at, comment_id: comment.data.id })).data.body).toBe(
    "hello",
  );
  expect((await f.bot.issues.listComments({ ...at, issue_number: number })).data).toHaveLength(1);
});

test("pages are as strict as GitHub's", async () => {
  for (let n = 0; n < 5; n++)
    await f.github.commit(f.repo, { as: f.owner, branch: `b${n}`, files: { n: String(n) } });
  const first = await f.bot.repos.listBranches({ ...at, per_page: 2 });
  expect(first.data).toHaveLength(2);
  expect(first.headers.link).toMatch(/page=2>; rel="next".*page=3>; rel="last"/);
  expect((await f.bot.repos.listBranches({ ...at, per_page: 2, page: 3 })).headers.link).toMatch(
    /rel="prev".*rel="first"/,
  );
  expect((await f.bot.repos.listBranches({ ...at, per_page: 2, page: 9 })).data).toEqual([]);
  expect(await f.bot.paginate(f.bot.repos.listBranches, { ...at, per_page: 2 })).toHaveLength(6);
});

test("comments, edits, reactions and labels", async () => {
  const { number } = await pull();
  const comment = await f
    .as(f.outsider)
    .issues.createComment({ ...at, issue_number: number, body: "/ok" });
  expect(comment.data.author_association).toBe("NONE");
  const reaction = await f.bot.reactions.createForIssueComment({
    ...at,
    comment_id: comment.data.id,
    content: "eyes",
  });
  expect(
    (await f.bot.reactions.listForIssueComment({ ...at, comment_id: comment.data.id })).data,
  ).toHaveLength(1);
  await f.bot.reactions.deleteForIssueComment({
    ...at,
    comment_id: comment.data.id,
    reaction_id: reaction.data.id,
  });
  await f
    .as(f.outsider)
    .issues.updateComment({ ...at, comment_id: comment.data.id, body: "/edited" });
  const stranger = f.github.createAccount({ login: "third" });
  expect(
    await refusal(f.as(stranger).issues.deleteComment({ ...at, comment_id: comment.data.id })),
  ).toMatchObject({ status: 403 });
  await f.as(f.outsider).issues.deleteComment({ ...at, comment_id: comment.data.id });
  expect(
    (await f.bot.issues.addLabels({ ...at, issue_number: number, labels: ["nix"] })).data.map(
      (one) => one.name,
    ),
  ).toEqual(["nix"]);
  expect((await f.bot.issues.create({ ...at, title: "An issue" })).data.number).toBe(2);
  expect((await f.bot.issues.get({ ...at, issue_number: number })).data.pull_request).toBeDefined();
  await f.github.settled();
  expect(
    names()
      .filter((name) => name.startsWith("issue_comment"))
      .toSorted(),
  ).toEqual(["issue_comment.created", "issue_comment.deleted", "issue_comment.edited"]);
});

test("pull requests are edited, closed and opened again", async () => {
  const { number } = await pull();
  const me = f.as(f.owner);
  await me.pulls.update({ ...at, pull_number: number, title: "New", state: "closed" });
  expect((await f.bot.pulls.list(at)).data).toEqual([]);
  await me.pulls.update({ ...at, pull_number: number, state: "open" });
  expect((await f.bot.pulls.list({ ...at, head: "octo:feature" })).data).toHaveLength(1);
  expect(
    await refusal(me.pulls.create({ ...at, title: "Twice", head: "feature", base: "main" })),
  ).toMatchObject({ status: 422 });
  await me.git.deleteRef({ ...at, ref: "heads/feature" });
  expect((await f.bot.pulls.get({ ...at, pull_number: number })).data.state).toBe("closed");
  await f.github.settled();
  expect(
    names()
      .filter((name) => name.startsWith("pull_request"))
      .toSorted(),
  ).toEqual([
    "pull_request.closed",
    "pull_request.closed",
    "pull_request.edited",
    "pull_request.opened",
    "pull_request.reopened",
  ]);
});

test("re-runs and buttons reach the App that owns the run, and only it", async () => {
  const rival = await f.github.createApp({ owner: f.owner, slug: "rival", webhookSecret: "x" });
  f.github.install(rival, f.owner);
  const { head } = await pull();
  const actions = [{ label: "Allow", identifier: "ok-to-test", description: "Run it" }];
  const run = await f.bot.checks.create({
    ...at,
    name: "snowcat",
    head_sha: head,
    conclusion: "action_required",
    actions,
  });
  await f.as(f.owner).checks.rerequestRun({ ...at, check_run_id: run.data.id });
  await f
    .as(f.owner)
    .checks.rerequestSuite({ ...at, check_suite_id: run.data.check_suite?.id ?? 0 });
  const [stored] = f.github.checkRuns(f.repo, head);
  if (!stored) throw new Error("the run is gone");
  f.github.requestAction(f.owner, stored, "ok-to-test");
  expect(() => f.github.requestAction(f.owner, stored, "other")).toThrow(/no button/);
  await f.github.settled();
  const pressed = f.received.find((one) => one.payload["action"] === "requested_action");
  expect(pressed?.payload).toMatchObject({
    requested_action: { identifier: "ok-to-test" },
    check_run: { head_sha: head },
  });
  const heard = f.github
    .deliveries()
    .filter((one) => ["rerequested", "requested_action"].includes(one.action ?? ""));
  expect(heard.map((one) => one.appId)).toEqual([f.app.id, f.app.id, f.app.id]);
});

test("deliveries are kept and sent again under the same GUID", async () => {
  f.github.setHook(f.app, { url: "http://127.0.0.1:1/nobody" });
  await f.github.commit(f.repo, { as: f.owner, files: { x: "1" } });
  await f.github.settled();
  expect(names()).toEqual(["installation.created"]);
  const failed = await f.asApp.apps.listWebhookDeliveries({ status: "failure" });
  const lost = failed.data.find((one) => one.event === "push");
  if (!lost) throw new Error("the push was not recorded");
  const [first] = f.received;
  f.github.setHook(f.app, { url: `http://${first?.headers.host ?? ""}/webhook` });
  expect((await f.asApp.apps.redeliverWebhookDelivery({ delivery_id: lost.id })).status).toBe(202);
  await f.github.settled();
  expect(f.received.at(-1)?.headers["x-github-delivery"]).toBe(lost.guid);
  const all = await f.asApp.apps.listWebhookDeliveries();
  expect(
    all.data
      .filter((one) => one.guid === lost.guid)
      .map((one) => [one.redelivery, one.status_code]),
  ).toEqual([
    [true, 202],
    [false, 0],
  ]);
  const page = await f.asApp.apps.listWebhookDeliveries({ per_page: 2 });
  expect(page.headers.link).toMatch(/cursor=v1_\d+>; rel="next"/);
  expect(await f.asApp.paginate(f.asApp.apps.listWebhookDeliveries, { per_page: 2 })).toEqual(
    all.data,
  );
  const detail = await f.asApp.apps.getWebhookDelivery({ delivery_id: lost.id });
  expect(detail.data.request.headers).toMatchObject({ "X-GitHub-Event": "push" });
});

test("held deliveries can be lost and reordered", async () => {
  await f.github.settled();
  f.received.length = 0;
  const held = f.github.hold();
  await f.github.commit(f.repo, { as: f.owner, branch: "one", files: { x: "1" } });
  expect(held.waiting().map((one) => one.event)).toEqual(["create", "push", "check_suite"]);
  held.release((all) => all.filter((one) => one.event !== "push").reverse());
  await f.github.settled();
  expect(names().toSorted()).toEqual(["check_suite.requested", "create"]);
});
