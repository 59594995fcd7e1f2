import { afterEach, beforeEach, expect, test } from "vitest";
import { startFixture } from "./fixture.ts";
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

const names = (): string[] =>
  f.received.map((one) => [one.event, one.payload["action"]].filter(Boolean).join("."));

test("git over HTTP asks for a token, hides, and refuses to write", async () => {
  const hidden = await f.github.createRepository({
    owner: f.owner,
    name: "hidden",
    private: true,
    files: { a: "1" },
  });
  const info = (path: string, authorization?: string) =>
    fetch(`${f.github.gitUrl}/${path}`, { headers: authorization ? { authorization } : {} });
  const basic = (token: string): string =>
    `Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;
  const stranger = basic(f.github.createUserToken("passer-by"));
  const anonymous = await info("octo/hidden.git/info/refs?service=git-upload-pack");
  expect([anonymous.status, anonymous.headers.get("www-authenticate")]).toEqual([
    401,
    'Basic realm="GitHub"',
  ]);
  expect((await info("octo/nothing.git/info/refs?service=git-upload-pack")).status).toBe(401);
  expect(
    (await info("octo/hidden.git/info/refs?service=git-upload-pack", basic("wrong"))).status,
  ).toBe(401);
  expect((await info("octo/hidden.git/info/refs?service=git-upload-pack", stranger)).status).toBe(
    404,
  );
  expect((await info("octo/flake.git/info/refs?service=git-upload-pack")).status).toBe(200);
  expect((await info("octo/flake.git/info/refs?service=git-receive-pack")).status).toBe(401);
  expect((await info("octo/flake.git/info/refs?service=git-receive-pack", stranger)).status).toBe(
    403,
  );
  const mint = async (repository_ids: number[], permissions: Record<string, "read" | "write">) =>
    basic(
      (
        await f.asApp.apps.createInstallationAccessToken({
          installation_id: f.installation.id,
          repository_ids,
          permissions,
        })
      ).data.token,
    );
  expect(
    (
      await info(
        "octo/hidden.git/info/refs?service=git-upload-pack",
        await mint([hidden.id], { contents: "read" }),
      )
    ).status,
  ).toBe(200);
  expect(
    (
      await info(
        "octo/hidden.git/info/refs?service=git-upload-pack",
        await mint([f.repo.id], { contents: "read" }),
      )
    ).status,
  ).toBe(404);
  expect(
    (
      await info(
        "octo/hidden.git/info/refs?service=git-upload-pack",
        await mint([hidden.id], { checks: "read" }),
      )
    ).status,
  ).toBe(403);
  expect(
    (
      await info(
        "octo/hidden.git/info/refs?service=git-receive-pack",
        await mint([hidden.id], { contents: "read" }),
      )
    ).status,
  ).toBe(403);
  expect(
    (
      await info(
        "octo/hidden.git/info/refs?service=git-receive-pack",
        await mint([hidden.id], { contents: "write" }),
      )
    ).status,
  ).toBe(200);
});

test("a push cannot write refs/pull, and more than three tags at once are silent", async () => {
  await f.github.commit(f.repo, { as: f.owner, branch: "feature", files: { x: "1" } });
  const { number } = await f.github.openPullRequest(f.owner, f.repo, { head: "feature" });
  const clone = await f.github.clone(f.repo, f.owner);
  // Forced: nothing but the rule on refs/pull refuses it.
  const refused = await clone.push(`+HEAD:refs/pull/${number}/head`);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("hidden ref")]);
  for (const tag of ["a", "b", "c", "d"]) await clone.git("tag", tag);
  await f.github.settled();
  f.received.length = 0;
  expect((await clone.push("--tags")).code).toBe(0);
  await f.github.settled();
  expect(names()).toEqual([]);
  await clone.git("tag", "e");
  expect((await clone.push("e")).code).toBe(0);
  await f.github.settled();
  expect(names().toSorted()).toEqual(["create", "push"]);
  await clone.remove();
});
