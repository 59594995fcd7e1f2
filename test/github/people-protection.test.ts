import { afterEach, beforeEach, expect, test } from "vitest";
import { refusal, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";
import type { Clone } from "./index.ts";

let f: Fixture;
let clones: Clone[];
beforeEach(async () => {
  clones = [];
  f = await startFixture();
});
afterEach(async () => {
  await f.github.settled();
  await Promise.all(clones.map((one) => one.remove()));
  const ledger = f.github.ledger("everyone");
  await f.close();
  expect(ledger).toEqual([]);
});

const at = { owner: "octo", repo: "flake" };
const main = { ...at, branch: "main" };
const rules = (
  checks: { context: string; app_id?: number }[],
  more: Record<string, boolean> = {},
) => ({
  ...main,
  required_status_checks: { strict: false, contexts: [], checks },
  enforce_admins: false,
  required_pull_request_reviews: null,
  restrictions: null,
  ...more,
});
const writer = async () => {
  const account = f.github.createAccount({ login: "writer" });
  await f.as(f.owner).repos.addCollaborator({ ...at, username: "writer" });
  return account;
};
const clone = async (as: Fixture["owner"]): Promise<Clone> => {
  const made = await f.github.clone(f.repo, as);
  clones.push(made);
  return made;
};

test("protection is set, shown, changed and lifted by who administers", async () => {
  const me = f.as(f.owner);
  expect(await refusal(me.repos.getBranchProtection(main))).toMatchObject({ status: 404 });
  expect(
    await refusal(me.repos.updateBranchProtection({ ...rules([]), branch: "none" })),
  ).toMatchObject({ status: 404 });
  await me.repos.updateBranchProtection(
    rules([
      { context: "snowcat", app_id: f.app.id },
      { context: "lint", app_id: -1 },
    ]),
  );
  const shown = (await me.repos.getBranchProtection(main)).data;
  expect([shown.required_status_checks?.checks, shown.enforce_admins?.enabled]).toEqual([
    [
      { context: "snowcat", app_id: f.app.id },
      { context: "lint", app_id: null },
    ],
    false,
  ]);
  expect((await me.repos.getBranch(main)).data.protected).toBe(true);
  const changed = await me.repos.updateStatusCheckProtection({
    ...main,
    strict: true,
    contexts: ["other"],
  });
  expect(changed.data).toMatchObject({ strict: true, contexts: ["other"] });
  await me.repos.setAdminBranchProtection(main);
  expect((await me.repos.getAdminBranchProtection(main)).data.enabled).toBe(true);
  await me.repos.removeStatusCheckProtection(main);
  expect((await me.repos.getBranchProtection(main)).data.required_status_checks).toBeUndefined();
  expect(await refusal(f.as(await writer()).repos.deleteBranchProtection(main))).toMatchObject({
    status: 403,
  });
  await me.repos.deleteBranchProtection(main);
  expect((await me.repos.getBranch(main)).data.protected).toBe(false);
  const unknown = rules([{ context: "snowcat", app_id: 1 }]);
  expect(await refusal(me.repos.updateBranchProtection(unknown))).toMatchObject({ status: 422 });
  const reviews = { ...rules([]), required_pull_request_reviews: {} };
  expect(await refusal(me.repos.updateBranchProtection(reviews))).toMatchObject({ status: 501 });
  expect(f.github.ledger()).toEqual([]); // a person asked: nothing about the App
  expect(f.github.ledger("everyone")).toMatchObject([{ kind: "not-implemented", actor: "user" }]);
  f.github.takeLedger();
});

test("required checks bind writers and Apps, and admins only when enforced", async () => {
  const me = f.as(f.owner);
  const other = f.as(await writer());
  const head = await f.github.commit(f.repo, { as: f.owner, branch: "feature", files: { x: "1" } });
  await f.github.openPullRequest(f.owner, f.repo, { head: "feature" });
  await f.bot.checks.create({ ...at, name: "snowcat", head_sha: head, conclusion: "failure" });
  await me.repos.updateBranchProtection(rules([{ context: "snowcat" }], { enforce_admins: true }));
  const merge = { ...at, pull_number: 1 };
  const file = { ...at, path: "y", message: "y", content: "" };
  for (const who of [me, other, f.bot]) {
    expect(await refusal(who.pulls.merge(merge))).toMatchObject({ status: 405 });
    expect(await refusal(who.repos.createOrUpdateFileContents(file))).toMatchObject({
      status: 409,
    });
    expect(await refusal(who.git.updateRef({ ...at, ref: "heads/main", sha: head }))).toMatchObject(
      { status: 422 },
    );
  }
  await me.repos.deleteAdminBranchProtection(main);
  for (const who of [other, f.bot])
    expect(await refusal(who.pulls.merge(merge))).toMatchObject({ status: 405 });
  expect((await me.pulls.merge(merge)).data.merged).toBe(true);
});

test("pushes by git to a protected branch: refused without green checks, taken with them", async () => {
  const account = await writer();
  const work = await clone(account);
  await f
    .as(f.owner)
    .repos.updateBranchProtection(rules([{ context: "snow\ncat\tallowed", app_id: f.app.id }]));
  const sha = await work.commit("Straight to main");
  const refused = await work.push("HEAD:main");
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/GH006[^]*is expected[^]*hook declined/),
  ]);
  expect((await work.push("HEAD:side", "HEAD:main")).stderr).toMatch(/hook declined/);
  expect((await f.bot.git.getRef({ ...at, ref: "heads/side" })).data.object.sha).toBe(sha);
  const report = (conclusion: "failure" | "success") =>
    f.bot.checks.create({ ...at, name: "snow\ncat\tallowed", head_sha: sha, conclusion });
  await report("failure");
  expect((await work.push("HEAD:main")).stderr).toMatch(/is failing/);
  await report("success");
  expect((await work.push("HEAD:main")).code).toBe(0);
  await work.git("reset", "-q", "--hard", "HEAD~1");
  expect((await work.push("--force", "HEAD:main")).stderr).toMatch(/Cannot force-push/);
});

test("who administers pushes past checks unless they are enforced, but never by force nor deletes", async () => {
  const me = f.as(f.owner);
  const mine = await clone(f.owner);
  await f.github.commit(f.repo, { as: f.owner, branch: "next", files: { x: "1" } });
  await me.repos.updateBranchProtection({ ...rules([{ context: "snowcat" }]), branch: "next" });
  await mine.git("fetch", "-q");
  await mine.git("checkout", "-q", "next");
  await mine.commit("Past the checks");
  expect((await mine.push("next")).code).toBe(0);
  expect((await mine.push(":next")).stderr).toMatch(/Cannot delete a protected branch/);
  await mine.git("commit", "-q", "--amend", "--allow-empty", "-m", "Rewritten");
  expect((await mine.push("--force", "next")).stderr).toMatch(/Cannot force-push/);
  await me.repos.setAdminBranchProtection({ ...at, branch: "next" });
  await mine.git("reset", "-q", "--hard", "origin/next");
  await mine.commit("More");
  expect((await mine.push("next")).stderr).toMatch(/is expected/);
  await me.repos.updateBranchProtection({
    ...rules([{ context: "snowcat" }], { allow_force_pushes: true, allow_deletions: true }),
    branch: "next",
  });
  await mine.git("commit", "-q", "--amend", "--allow-empty", "-m", "Rewritten");
  expect((await mine.push("--force", "next")).code).toBe(0);
  expect((await mine.push(":next")).code).toBe(0);
});

test("collaborators come at once, change, leave", async () => {
  const me = f.as(f.owner);
  const theirs = f.as(f.outsider);
  const who = { ...at, username: "passer-by" };
  const work = await clone(f.outsider);
  await work.commit("x");
  expect((await work.push("HEAD:mine")).stderr).toMatch(/403/);
  expect(await refusal(theirs.repos.addCollaborator(who))).toMatchObject({ status: 403 });
  expect(await refusal(me.repos.addCollaborator({ ...at, username: "octo" }))).toMatchObject({
    status: 422,
  });
  expect(await refusal(me.repos.addCollaborator({ ...who, permission: "all" }))).toMatchObject({
    status: 422,
  });
  const invited = await me.repos.addCollaborator(who);
  expect([invited.status, invited.data.permissions]).toEqual([201, "write"]);
  expect((await work.push("HEAD:mine")).code).toBe(0);
  expect(
    (await theirs.repos.acceptInvitationForAuthenticatedUser({ invitation_id: invited.data.id }))
      .status,
  ).toBe(204);
  expect((await me.repos.addCollaborator({ ...who, permission: "maintain" })).status).toBe(204);
  const all = (await me.repos.listCollaborators(at)).data;
  expect(all.map((one) => [one.login, one.role_name])).toEqual([
    ["octo", "admin"],
    ["passer-by", "maintain"],
  ]);
  expect((await theirs.repos.removeCollaborator(who)).status).toBe(204);
  expect(await refusal(me.repos.checkCollaborator(who))).toMatchObject({ status: 404 });
  expect(await refusal(me.repos.removeCollaborator(who))).toMatchObject({ status: 404 });
});
