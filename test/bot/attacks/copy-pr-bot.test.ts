import { expect, it } from "vitest";
import { evaluating, BASE, HEAD } from "../run/harness.ts";

/**
 * copy-pr-bot, 2025, the second half: between the approval and the fetch the branch moves. GitHub's merge ref follows
 * the branch; the run does not.
 */

const OTHER = "c".repeat(40);
const approved = {
  approved: HEAD,
  reason: {
    kind: "pull_request" as const,
    number: 5,
    head: HEAD,
    headRef: "topic",
    base: BASE,
    baseRef: "main",
    fork: true,
    author: "eve",
  },
};

it("runs the approved commit by its name and its tree's, which the runner compares", () =>
  evaluating(approved, async ({ neighbours }) => {
    expect(neighbours.queued).toMatchObject([
      { pool: "untrusted", work: { source: { sha: "2".repeat(40), tree: "4".repeat(40) } } },
    ]);
  }));

it("runs nothing when the pull request has another head by now", () =>
  evaluating(
    approved,
    async ({ neighbours, pass }) => {
      await pass(600_000);
      expect(neighbours.queued).toEqual([]);
      expect(neighbours.checks()["snowcat"]?.conclusion).not.toBe("success");
    },
    (neighbours) => {
      if (neighbours.pull.ok) neighbours.pull.value.head = OTHER;
    },
  ));

it("runs nothing when the merge commit is of another head than GitHub says", () =>
  evaluating(
    approved,
    async ({ neighbours, pass }) => {
      await pass(600_000);
      expect(neighbours.queued).toEqual([]);
      expect(neighbours.checks()["snowcat"]?.conclusion).not.toBe("success");
    },
    (neighbours) => {
      if (neighbours.commit.ok) neighbours.commit.value.parents = [BASE, OTHER];
    },
  ));
