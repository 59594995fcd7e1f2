import { expect, test } from "vitest";
import { decide } from "../../../src/core/trust/decide.ts";
import { A, C, D, eve, pr } from "../repo/events.ts";
import { Model } from "../repo/model.ts";
import { ada } from "../repo/events.ts";

/**
 * Sticky trust: elsewhere an approval, or a label, stayed with the pull request, and the next push ran with it. Here it
 * stays with the commit.
 */

const synchronize = (head: string, before: string, second: number) =>
  pr("synchronize", { fork: true, head, updatedAt: `2026-01-01T00:00:0${second}Z` }, before, eve);

test("each push asks for approval anew, and so does the way back to a commit by another one", () => {
  const model = new Model();
  model.deliver(pr("opened", { fork: true, head: A }, null, eve));
  model.approve({ sha: A, pull: 7, by: ada, role: "write" });
  model.deliver(synchronize(C, A, 1));
  model.deliver(synchronize(D, C, 2));
  const runs = [...model.runs.values()].map(({ head, approved }) => [head[0], approved]);
  expect(runs).toEqual([
    ["a", null],
    ["a", A],
    ["c", null],
    ["d", null],
  ]);
  expect(model.pulls.get(7)?.approved).toBeNull();
});

test("an approval of one commit gives no pool to another", () => {
  const reason = {
    kind: "pull_request",
    number: 7,
    head: C,
    headRef: "topic",
    base: D,
    baseRef: "main",
    fork: true,
    author: "eve",
  } as const;
  const question = {
    reason,
    defaultBranch: "main",
    senderType: "User",
    senderRole: "read",
    policy: { trusted: "repository", writers: [] },
  } as const;
  expect(decide({ ...question, approvedSha: C })).toMatchObject({ pool: "untrusted" });
  expect(decide({ ...question, approvedSha: A })).not.toHaveProperty("pool");
});
