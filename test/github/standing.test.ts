import { afterEach, beforeEach, expect, test } from "vitest";
import { standing } from "../../src/bot/github/client/standing.ts";
import { startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

/** How a commit stands, by the Writer's own requests, held against GitHub's published description. */

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

const at = { owner: "octo", name: "flake" };
const commit = (branch: string, content: string) =>
  f.github.commit(f.repo, { as: f.owner, branch, files: { a: content } });
const place = async (sha: string) =>
  (await standing(f.bot, at, { sha, defaultBranch: "main", pull: null })).onDefaultBranch;

test("a commit is the branch's head, one before it, or nowhere on it", async () => {
  const first = await commit("main", "1\n");
  expect(await place(first)).toBe(true);
  const second = await commit("main", "2\n");
  expect([await place(first), await place(second)]).toEqual(["passed", true]);
  const aside = await commit("topic", "3\n");
  expect(await place(aside)).toBe(false);
  // Pushed away by force.
  await f.github.moveBranch(f.repo, "main", first, f.owner);
  expect([await place(first), await place(second)]).toEqual([true, false]);
});
