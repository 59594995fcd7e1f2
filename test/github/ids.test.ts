import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  client,
  commit,
  createCheck,
  createComment,
  file,
  findCheck,
  findComment,
  pull,
  role,
  updateCheck,
  within,
} from "../../src/bot/github/client/index.ts";
import type { DesiredCheck, DesiredComment } from "../../src/bot/objects/desired.ts";
import { CONFIGURATION_FILE } from "../../src/core/config/schema.ts";
import { type Fixture, startFixture } from "./fixture.ts";
import type { Repository } from "./index.ts";

/** What Snowcat asks and says while names change hands: a run that began before goes on with the old name. */

let f: Fixture;
let token: string;
const paths: string[] = [];
/** The repository as a run has known it since before its name was another's. */
let old: { id: number; owner: string; name: string };
let before: { head: string; number: number };

const ours = (id: number | null = old.id) =>
  within(
    client({
      apiUrl: f.github.url,
      token,
      now: () => Date.now(),
      made: ({ path }) => void paths.push(path),
    }),
    id,
  );

async function withPull(repo: Repository, text: string) {
  const { github, owner } = f;
  await github.commit(repo, { as: owner, files: { [CONFIGURATION_FILE]: text } });
  const base = await github.commit(repo, { as: owner, files: { base: text } });
  await github.moveBranch(repo, "topic", base, owner);
  const head = await github.commit(repo, { as: owner, branch: "topic", files: { head: text } });
  const { number } = await github.openPullRequest(owner, repo, { head: "topic" });
  return { head, number };
}

beforeAll(async () => {
  f = await startFixture();
  const me = f.as(f.owner);
  old = { id: f.repo.id, owner: "octo", name: f.repo.name };
  before = await withPull(f.repo, "version: 1\n");
  await me.rest.repos.update({ owner: "octo", repo: old.name, name: "renamed" });
  const minted = await f.asApp.rest.apps.createInstallationAccessToken({
    installation_id: f.installation.id,
  });
  token = minted.data.token;
});
afterAll(() => f.close());

const check = (): DesiredCheck => ({
  resource: `check:${old.id}-1:snowcat`,
  run: `${old.id}-1`,
  yields: false,
  succeeds: [],
  version: 1,
  repository: old,
  name: "snowcat",
  head: before.head,
  detailsUrl: "https://snowcat.example/runs/1-1",
  status: "in_progress",
  conclusion: null,
  title: "Building",
  summary: "…",
  text: null,
  annotations: [],
  actions: [],
  startedAt: 0,
  completedAt: null,
});
const comment = (body: string): DesiredComment => ({
  kind: "sticky",
  resource: `comment:${old.id}:${before.number}`,
  version: 1,
  repository: old,
  pull: before.number,
  body,
});

/** Everything that is asked of a repository and said to it. */
async function everything() {
  const octokit = ours();
  const read = await pull(octokit, old, before.number);
  const made = await createCheck(octokit, check());
  await updateCheck(octokit, made.shownId, { ...check(), title: "Nearly" }, 0);
  const said = await createComment(octokit, comment("ours"));
  return {
    head: read.head,
    base: read.baseRef,
    text: (await file(octokit, old, CONFIGURATION_FILE, "main", null)).text,
    parents: (await commit(octokit, old, before.head)).parents.length,
    role: await role(octokit, old, f.owner.login, f.owner.id),
    check: (await findCheck(octokit, f.app.id, null, check()))?.shownId === made.shownId,
    comment: (await findComment(octokit, f.app.id, null, comment(""))) !== null,
    said: said.shownId,
  };
}
const all = () => ({
  head: before.head,
  base: "main",
  text: "version: 1\n",
  parents: 1,
  role: "admin",
  check: true,
  comment: true,
});

describe("a repository whose name has changed", () => {
  test("is asked and told everything by its id; nothing is lost", async () => {
    expect(await everything()).toMatchObject(all());
    expect(paths.length).toBeGreaterThan(8);
    for (const path of paths) expect(path).toMatch(new RegExp(`^/repositories/${old.id}/`, "u"));
  });

  test("is led to by the old name, as long as nobody has that", async () => {
    const byName = client({
      apiUrl: f.github.url,
      token,
      now: () => Date.now(),
      made: () => {},
    });
    expect((await pull(byName, old, before.number)).head).toBe(before.head);
  });

  test("nothing is read of, or said to, whichever has the old name now", async () => {
    const other = await f.github.createRepository({
      owner: f.owner,
      name: old.name,
      files: { "flake.nix": "{ }" },
    });
    const theirs = await withPull(other, "policy: { writers: [everybody] }\n");
    expect(theirs.number).toBe(before.number);
    expect(await everything()).toMatchObject(all());
    // By the name it would have been the other's: the control.
    const byName = client({ apiUrl: f.github.url, token, now: () => 0, made: () => {} });
    expect((await pull(byName, old, before.number)).head).toBe(theirs.head);
    const comments = await f
      .as(f.owner)
      .rest.issues.listComments({ owner: "octo", repo: old.name, issue_number: theirs.number });
    expect(comments.data).toEqual([]);
  });

  test("cannot be asked by its name alone", async () => {
    await expect(pull(ours(null), old, before.number)).rejects.toThrow("by name alone");
  });
});

test("a login that passed to somebody else has no role in the other's name", async () => {
  expect(await role(ours(), old, f.owner.login, f.owner.id)).toBe("admin");
  expect(await role(ours(), old, f.owner.login, f.outsider.id)).toBe("none");
  expect(await role(ours(), old, f.owner.login)).toBe("admin");
});
