import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JudgeReason } from "../../../src/core/repo/request.ts";
import { decide, type TrustQuestion } from "../../../src/core/trust/decide.ts";
import { type Origin, TABLE, type TrustRule } from "../../../src/core/trust/table.ts";

const A = "a".repeat(40);
const B = "b".repeat(40);

const sha = fc.constantFrom(A, B, "c".repeat(40));
const branch = fc.constantFrom("main", "topic", "refs/heads/main", "gh-readonly-queue/main/pr-1");
const pull = fc.record({
  kind: fc.constant("pull_request" as const),
  number: fc.nat(),
  head: sha,
  headRef: branch,
  base: sha,
  baseRef: branch,
  fork: fc.boolean(),
  author: fc.string(),
});
const push = fc.record({
  kind: fc.constant("push" as const),
  ref: branch.map((b) => `refs/heads/${b}`),
  head: sha,
  before: fc.option(sha),
});
const group = fc.record({
  kind: fc.constant("merge_group" as const),
  head: sha,
  headRef: branch,
  base: sha,
});
const rule = fc.constantFrom<TrustRule>("repository", "default-branch-and-merge-queue");
const question: fc.Arbitrary<TrustQuestion> = fc.record({
  reason: fc.oneof<fc.Arbitrary<JudgeReason>[]>(pull, push, group),
  defaultBranch: fc.constant("main"),
  senderType: fc.constantFrom("User", "Bot", "Organization", "Mannequin"),
  senderRole: fc.option(
    fc.constantFrom("none", "read", "triage", "write", "maintain", "admin", "custom"),
  ),
  approvedSha: fc.option(sha),
  policy: fc.record({ trusted: rule, writers: fc.subarray(["custom", "read", "none"]) }),
});

const ask = (over: Partial<TrustQuestion> & { reason: JudgeReason }): TrustQuestion => ({
  defaultBranch: "main",
  senderType: "User",
  senderRole: null,
  approvedSha: null,
  policy: { trusted: "repository", writers: [] },
  ...over,
});
const request = (fork: boolean, head = A): JudgeReason => ({
  kind: "pull_request",
  number: 7,
  head,
  headRef: "topic",
  base: B,
  baseRef: "main",
  fork,
  author: "ada",
});

describe("trust", () => {
  test("a fork is never trusted, whoever sends it and whatever is approved", () => {
    fc.assert(
      fc.property(question, (q) => {
        const trust = decide(q);
        if (q.reason.kind === "pull_request" && q.reason.fork && trust.kind === "pool") {
          expect(trust.pool).toBe("untrusted");
          expect(q.approvedSha).toBe(q.reason.head);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("an approval of another commit never counts", () => {
    fc.assert(
      fc.property(question, (q) => {
        if (q.approvedSha === q.reason.head) return;
        expect(decide(q)).toEqual(decide({ ...q, approvedSha: null }));
      }),
      { numRuns: 2_000 },
    );
  });

  test("an unknown role or a custom role that nobody listed is not write", () => {
    for (const senderRole of [null, "none", "read", "triage", "custom", "Write", "writer"]) {
      expect(decide(ask({ reason: request(false), senderRole })).kind, String(senderRole)).toBe(
        "needs-approval",
      );
    }
    for (const senderRole of ["write", "maintain", "admin"]) {
      expect(decide(ask({ reason: request(false), senderRole })), senderRole).toMatchObject({
        kind: "pool",
        pool: "trusted",
      });
    }
  });

  test("a custom role that the configuration lists is write; a built-in one cannot be listed into it", () => {
    const policy = { trusted: "repository" as const, writers: ["custom", "read"] };
    expect(decide(ask({ reason: request(false), senderRole: "custom", policy })).kind).toBe("pool");
    expect(decide(ask({ reason: request(false), senderRole: "read", policy })).kind).toBe(
      "needs-approval",
    );
  });

  test("the stricter rule trusts only the default branch and the merge queue", () => {
    fc.assert(
      fc.property(question, (q) => {
        const strict = decide({
          ...q,
          policy: { ...q.policy, trusted: "default-branch-and-merge-queue" },
        });
        if (strict.kind !== "pool" || strict.pool !== "trusted") return;
        expect(["default-branch", "merge-queue"]).toContain(strict.origin);
        expect(decide({ ...q, policy: { ...q.policy, trusted: "repository" } })).toEqual(strict);
      }),
      { numRuns: 2_000 },
    );
  });

  test("a branch whose name imitates the default branch's full ref is another branch", () => {
    const reason: JudgeReason = {
      kind: "push",
      ref: "refs/heads/refs/heads/main",
      head: A,
      before: null,
    };
    expect(decide(ask({ reason }))).toMatchObject({ origin: "branch" });
  });

  test("what waits says the command that names the head", () => {
    expect(decide(ask({ reason: request(true) }))).toMatchObject({
      kind: "needs-approval",
      command: `/ok-to-test ${A}`,
    });
  });

  test("the table has an answer for whatever can be asked", () => {
    fc.assert(
      fc.property(question, (q) => {
        expect(decide(q).kind).not.toBe("refuse");
      }),
      { numRuns: 2_000 },
    );
  });

  test("only the stricter cell differs between the two rules, and never towards trust", () => {
    const rank = { no: 0, approval: 1, untrusted: 2, trusted: 3, deploy: 4 };
    for (const [event, origins] of Object.entries(TABLE.repository)) {
      for (const [origin, cell] of Object.entries(origins)) {
        const strict =
          TABLE["default-branch-and-merge-queue"][event as JudgeReason["kind"]][origin as Origin];
        expect(rank[strict], `${event} from ${origin}`).toBeLessThanOrEqual(rank[cell]);
      }
    }
  });
});
