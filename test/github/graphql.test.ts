import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

let f: Fixture;
beforeAll(async () => {
  f = await startFixture();
});
afterEach(() => expect(f.github.ledger()).toEqual([]));
afterAll(() => f.close());

const mutation = `mutation ($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }`;
const main = async (): Promise<string> =>
  (await f.bot.git.getRef({ owner: "octo", repo: "flake", ref: "heads/main" })).data.object.sha;

test("createCommitOnBranch compares and swaps", async () => {
  const before = await main();
  const input = {
    branch: { repositoryNameWithOwner: "octo/flake", branchName: "main" },
    expectedHeadOid: before,
    message: { headline: "Bump" },
    fileChanges: {
      additions: [{ path: "flake.lock", contents: Buffer.from("{}\n").toString("base64") }],
      deletions: [{ path: "README.md" }],
    },
  };
  const done = await f.bot.graphql<{ createCommitOnBranch: { commit: { oid: string } } }>(
    mutation,
    { input },
  );
  expect(await main()).toBe(done.createCommitOnBranch.commit.oid);
  const files = await f.bot.repos.getContent({ owner: "octo", repo: "flake", path: "" });
  expect((files.data as { name: string }[]).map((one) => one.name)).toEqual([
    "flake.lock",
    "flake.nix",
    "nix",
  ]);
  await expect(f.bot.graphql(mutation, { input })).rejects.toThrow(/Expected branch to point to/);
  await f.github.settled();
  expect(f.received.filter((one) => one.event === "push")).toHaveLength(1);
});

test("updateRefs moves under beforeOid, all or nothing", async () => {
  const { repository } = await f.bot.graphql<{
    repository: { id: string; defaultBranchRef: { target: { oid: string } } };
  }>(`{ repository(owner: "octo", name: "flake") { id defaultBranchRef { target { oid } } } }`);
  const head = repository.defaultBranchRef.target.oid;
  expect(head).toBe(await main());
  const update = (refUpdates: unknown[]) =>
    f.bot.graphql(
      `mutation ($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }`,
      { input: { repositoryId: repository.id, refUpdates } },
    );
  const zero = "0".repeat(40);
  await update([{ name: "refs/heads/bump", afterOid: head, beforeOid: zero }]);
  await expect(
    update([
      { name: "refs/heads/second", afterOid: head },
      { name: "refs/heads/bump", afterOid: head, beforeOid: zero },
    ]),
  ).rejects.toThrow(/rejected/);
  expect(
    (await f.bot.repos.listBranches({ owner: "octo", repo: "flake" })).data.map((one) => one.name),
  ).toEqual(["bump", "main"]);
});

test("what the schema does not know is refused and in the ledger; so is what the double lacks", async () => {
  await expect(f.bot.graphql(`{ nothing }`)).rejects.toThrow(/Cannot query field/);
  expect(f.github.takeLedger()).toMatchObject([{ kind: "invalid-request" }]);
  await expect(
    f.bot.graphql(`{ repository(owner: "octo", name: "flake") { stargazerCount } }`),
  ).rejects.toThrow(/does not implement/);
  expect(f.github.takeLedger()).toMatchObject([{ kind: "not-implemented" }]);
});
