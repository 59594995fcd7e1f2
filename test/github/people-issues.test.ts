import { afterEach, beforeEach, expect, test } from "vitest";
import { refusal, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

let f: Fixture;
beforeEach(async () => {
  f = await startFixture({
    events: ["issues", "pull_request", "check_run", "check_suite", "merge_group"],
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
    .map((one) => `${one.event}.${String(one.payload["action"])}`)
    .filter((name) => !name.startsWith("installation.") && name !== "check_suite.requested")
    .toSorted();
};
const pull = async (): Promise<{ head: string; id: string }> => {
  const head = await f.github.commit(f.repo, { as: f.owner, branch: "feature", files: { x: "1" } });
  await f.github.openPullRequest(f.owner, f.repo, { head: "feature" });
  const { data } = await f.bot.pulls.get({ ...at, pull_number: 1 });
  await f.github.settled();
  f.received.length = 0;
  return { head, id: data.node_id };
};

test("issues are opened, changed, labelled, closed; each is told", async () => {
  const theirs = f.as(f.outsider);
  const made = await theirs.issues.create({ ...at, title: "Broken", labels: ["bug"] });
  expect(made.data.labels).toEqual([]); // labels take triage
  const issue = { ...at, issue_number: made.data.number };
  await theirs.issues.update({ ...issue, title: "Very broken", state: "closed" });
  expect(
    await refusal(
      f.as(f.github.createAccount({ login: "third" })).issues.update({ ...issue, state: "open" }),
    ),
  ).toMatchObject({ status: 403 });
  const me = f.as(f.owner);
  await me.issues.update({ ...issue, state: "open" });
  await me.issues.addLabels({ ...issue, labels: ["bug", "nix"] });
  await me.issues.removeLabel({ ...issue, name: "bug" });
  expect(await refusal(me.issues.removeLabel({ ...issue, name: "bug" }))).toMatchObject({
    status: 404,
  });
  expect(
    (await me.issues.setLabels({ ...issue, labels: ["new"] })).data.map((one) => one.name),
  ).toEqual(["new"]);
  await me.issues.removeAllLabels(issue);
  expect(await refusal(theirs.issues.addLabels({ ...issue, labels: ["x"] }))).toMatchObject({
    status: 403,
  });
  expect((await me.issues.listLabelsForRepo(at)).data.map((one) => one.name)).toEqual([
    "bug",
    "nix",
    "new",
  ]);
  expect((await me.issues.createLabel({ ...at, name: "made" })).status).toBe(201);
  expect(await refusal(me.issues.createLabel({ ...at, name: "Made" }))).toMatchObject({
    status: 422,
  });
  expect((await me.issues.getLabel({ ...at, name: "made" })).data.name).toBe("made");
  expect(await heard()).toEqual([
    "issues.closed",
    "issues.edited",
    "issues.labeled",
    "issues.labeled",
    "issues.labeled",
    "issues.opened",
    "issues.reopened",
    "issues.unlabeled",
    "issues.unlabeled",
    "issues.unlabeled",
  ]);
});

test("a pull request is changed as an issue too; reactions go on it", async () => {
  await pull();
  const me = f.as(f.owner);
  const issue = { ...at, issue_number: 1 };
  await me.issues.update({ ...issue, title: "New", labels: ["nix"], state: "closed" });
  expect((await me.issues.update({ ...issue, state: "open" })).data).toMatchObject({
    title: "New",
    state: "open",
  });
  const reacted = await f.as(f.outsider).reactions.createForIssue({ ...issue, content: "rocket" });
  expect(
    (await f.as(f.outsider).reactions.createForIssue({ ...issue, content: "rocket" })).status,
  ).toBe(200);
  expect((await me.issues.get(issue)).data.reactions).toMatchObject({ rocket: 1, total_count: 1 });
  expect(
    await refusal(me.reactions.deleteForIssue({ ...issue, reaction_id: reacted.data.id })),
  ).toMatchObject({ status: 403 });
  await f.as(f.outsider).reactions.deleteForIssue({ ...issue, reaction_id: reacted.data.id });
  expect((await me.reactions.listForIssue(issue)).data).toEqual([]);
  expect(await heard()).toEqual([
    "pull_request.closed",
    "pull_request.edited",
    "pull_request.labeled",
    "pull_request.reopened",
  ]);
});

const change = (name: string, input: string): string =>
  `mutation ($id: ID!) { ${name}(input: { ${input}: $id }) { clientMutationId } }`;

test("drafts come and go by GraphQL, as on GitHub", async () => {
  const { id } = await pull();
  const me = f.as(f.owner);
  const draft = change("convertPullRequestToDraft", "pullRequestId");
  await expect(f.as(f.outsider).graphql(draft, { id })).rejects.toThrow(/permission/);
  await me.graphql(draft, { id });
  expect(await refusal(me.pulls.merge({ ...at, pull_number: 1 }))).toMatchObject({ status: 405 });
  const seen = await me.graphql(
    `{ repository(owner: "octo", name: "flake") { pullRequest(number: 1) { isDraft state mergeable headRefName author { login } } } }`,
  );
  expect(seen).toMatchObject({
    repository: {
      pullRequest: {
        isDraft: true,
        state: "OPEN",
        headRefName: "feature",
        author: { login: "octo" },
      },
    },
  });
  await me.graphql(change("markPullRequestReadyForReview", "pullRequestId"), { id });
  expect(await heard()).toEqual([
    "pull_request.converted_to_draft",
    "pull_request.ready_for_review",
  ]);
});

test("the merge queue: one waits for the checks of its group, then merges or leaves", async () => {
  const { id } = await pull();
  const me = f.as(f.owner);
  const enter = change("enqueuePullRequest", "pullRequestId");
  await expect(me.graphql(enter, { id })).rejects.toThrow(/no merge queue/);
  f.github.protect(f.repo, "main", [{ context: "snowcat", appId: f.app.id }]);
  await expect(f.as(f.outsider).graphql(enter, { id })).rejects.toThrow(/permission/);
  const group = async (): Promise<string> => {
    await f.github.settled();
    const asked = f.received.filter((one) => one.payload["action"] === "checks_requested").at(-1);
    if (!asked) throw new Error("no merge group asked for checks");
    return (asked.payload["merge_group"] as { head_sha: string }).head_sha;
  };
  const report = async (conclusion: "success" | "failure", sha: string): Promise<void> => {
    await f.bot.checks.create({ ...at, name: "snowcat", head_sha: sha, conclusion });
  };
  const inQueue = async (): Promise<boolean> => {
    const seen = await me.graphql<{ repository: { pullRequest: { isInMergeQueue: boolean } } }>(
      `{ repository(owner: "octo", name: "flake") { pullRequest(number: 1) { isInMergeQueue } } }`,
    );
    return seen.repository.pullRequest.isInMergeQueue;
  };
  await me.graphql(enter, { id });
  await expect(me.graphql(enter, { id })).rejects.toThrow(/already/);
  await me.graphql(change("dequeuePullRequest", "id"), { id });
  await me.graphql(enter, { id });
  await report("failure", await group());
  expect(await inQueue()).toBe(false);
  await me.graphql(enter, { id });
  const first = await group();
  const base = await f.github.commit(f.repo, { as: f.owner, files: { other: "1" } });
  await report("success", first);
  const second = await group();
  expect([second === first, await inQueue()]).toEqual([false, true]); // built anew on the new base
  await report("success", second);
  const main = (await f.bot.repos.getBranch({ ...at, branch: "main" })).data.commit;
  expect([main.sha, main.parents[0]?.sha]).toEqual([second, base]);
  const told = (await heard()).filter((name) => /enqueued|dequeued|destroyed/.test(name));
  expect(told).toEqual([
    ...Array(4).fill("merge_group.destroyed"),
    ...Array(4).fill("pull_request.dequeued"),
    ...Array(4).fill("pull_request.enqueued"),
  ]);
});

test("a person presses Re-run and the buttons of a check, as far as the role goes", async () => {
  const { head } = await pull();
  const actions = [{ label: "Allow", identifier: "ok-to-test", description: "Run it" }];
  const run = await f.bot.checks.create({
    ...at,
    name: "snowcat",
    head_sha: head,
    conclusion: "action_required",
    actions,
  });
  await f.github.settled();
  f.received.length = 0;
  const token = f.github.createUserToken("octo");
  const press = async (path: string, body: object, as = token): Promise<number> =>
    (
      await fetch(`${f.github.url}/_double/${path}`, {
        method: "POST",
        headers: { authorization: `token ${as}` },
        body: JSON.stringify({ repository: "octo/flake", ...body }),
      })
    ).status;
  const check_run_id = run.data.id;
  expect(await press("rerequest", { check_run_id })).toBe(201);
  expect(
    (await f.bot.checks.getSuite({ ...at, check_suite_id: run.data.check_suite?.id ?? 0 })).data
      .status,
  ).toBe("queued");
  expect(await press("rerequest", { check_suite_id: run.data.check_suite?.id })).toBe(201);
  expect(await press("action", { check_run_id, identifier: "ok-to-test" })).toBe(201);
  expect(await press("action", { check_run_id, identifier: "other" })).toBe(422);
  expect(await press("rerequest", {})).toBe(422);
  expect(await press("rerequest", { check_run_id: 1 })).toBe(404);
  expect(await press("nothing", { check_run_id })).toBe(404);
  expect(await press("rerequest", { check_run_id }, f.github.createUserToken("passer-by"))).toBe(
    403,
  );
  expect(await press("rerequest", { check_run_id }, "nonsense")).toBe(401);
  const { token: app } = (await f.bot.auth({ type: "installation" })) as { token: string };
  expect(await press("rerequest", { check_run_id }, app)).toBe(403);
  expect(await heard()).toEqual([
    "check_run.requested_action",
    "check_run.rerequested",
    "check_suite.rerequested",
  ]);
});
