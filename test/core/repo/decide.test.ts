import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { approved, decide } from "../../../src/core/repo/decide.ts";
import { runOfCheck } from "../../../src/core/repo/key.ts";
import { ForeignOwner } from "../../../src/core/repo/identity.ts";
import { A, ada, B, C, D, eve, event, pr, push, repository, rerun } from "./events.ts";
import { Model } from "./model.ts";

describe("pushes", () => {
  test("the default branch always gets a run, and the policy is read anew", () => {
    const model = new Model();
    expect(model.deliver(push("main", A))).toMatchObject({
      effects: expect.arrayContaining([{ kind: "start", n: 1 }]),
    });
    expect(model.policyStale).toBe(1);
    expect(model.live()).toEqual(["push:refs/heads/main a 1"]);
  });

  test("a newer head supersedes the run of the older one; the same head is one run", () => {
    const model = new Model();
    model.deliver(push("main", A), push("main", A), push("main", B, A));
    expect(model.live()).toEqual(["push:refs/heads/main b 2"]);
    expect(model.log).toEqual(["start 1", "start 2", "supersede 1 by run 2"]);
  });

  test("another branch gets one as long as no pull request of the repository has it", () => {
    const model = new Model();
    model.deliver(push("topic", A));
    expect(model.live()).toEqual(["push:refs/heads/topic a 1"]);
    model.deliver(pr("opened"));
    expect(model.live()).toEqual(["pull:7 a 2"]);
    model.deliver(push("topic", C, A));
    expect(model.live()).toEqual(["pull:7 a 2"]);
    model.deliver(pr("synchronize", { head: C, updatedAt: "2026-01-01T00:00:01Z" }, A));
    expect(model.live()).toEqual(["pull:7 c 3"]);
  });

  test("a fork's branch of the same name is another branch", () => {
    const model = new Model();
    model.deliver(pr("opened", { fork: true, headRef: "topic" }), push("topic", B));
    expect(model.live()).toEqual(["pull:7 a 1", "push:refs/heads/topic b 2"]);
  });

  test("the default branch is judged even while it is the head of a pull request", () => {
    const model = new Model();
    model.deliver(pr("opened", { headRef: "main", baseRef: "release" }), push("main", A));
    expect(model.live()).toEqual(["pull:7 a 1", "push:refs/heads/main a 2"]);
  });

  test("tags, the queue's branches and deletions get none; a deletion ends the branch's run", () => {
    const model = new Model();
    model.deliver(
      event({ kind: "push", ref: "refs/tags/v1", before: null, sha: A, pushedAt: null }),
      push("gh-readonly-queue/main/pr-1", A),
    );
    expect(model.log).toEqual([]);
    model.deliver(push("topic", A));
    const gone = { kind: "branch-gone", ref: "refs/heads/topic" };
    // Of an earlier head: the branch was pushed again since.
    expect(model.deliver(push("topic", null, B))?.effects).not.toContainEqual(gone);
    expect(model.deliver(push("topic", null, A))?.effects).toContainEqual(gone);
    expect(model.live()).toEqual([]);
    expect(model.heads.size).toBe(0);
  });

  test("order is not kept: an older push that comes late changes nothing", () => {
    const model = new Model();
    model.deliver(push("main", C, B, 30), push("main", A, null, 10), push("main", B, A, 20));
    expect(model.live()).toEqual(["push:refs/heads/main c 1"]);
    const untimed = new Model();
    untimed.deliver(push("main", C, B), push("main", B, A));
    expect(untimed.live()).toEqual(["push:refs/heads/main c 1"]);
  });
});

describe("pull requests", () => {
  test("whatever tells of a head first has it judged: its own delivery, later, is old", () => {
    const later = "2026-01-01T00:00:09Z";
    const model = new Model();
    model.deliver(pr("opened"), pr("changed", { head: B, draft: true, updatedAt: later }));
    expect(model.live()).toEqual(["pull:7 b 2"]);
    model.deliver(pr("synchronize", { head: B, updatedAt: "2026-01-01T00:00:08Z" }, A));
    expect(model.live()).toEqual(["pull:7 b 2"]);
    const unknown = new Model();
    unknown.deliver(pr("changed", { updatedAt: later }), pr("opened"));
    expect(unknown.live()).toEqual(["pull:7 a 1"]);
  });

  test("a new base is a new subject; a new title is not", () => {
    const model = new Model();
    model.deliver(pr("opened"), pr("changed", { updatedAt: "2026-01-01T00:00:01Z" }));
    expect(model.live()).toEqual(["pull:7 a 1"]);
    model.deliver(pr("retargeted", { baseRef: "release", updatedAt: "2026-01-01T00:00:02Z" }));
    expect(model.live()).toEqual(["pull:7 a 2"]);
  });

  test("closing ends the run; reopening starts one", () => {
    const model = new Model();
    model.deliver(
      pr("opened"),
      pr("closed", { state: "closed", updatedAt: "2026-01-01T00:00:01Z" }),
    );
    expect(model.live()).toEqual([]);
    model.deliver(pr("reopened", { updatedAt: "2026-01-01T00:00:02Z" }));
    expect(model.live()).toEqual(["pull:7 a 2"]);
  });

  test("reopening what was judged to the end starts none", () => {
    const model = new Model();
    model.deliver(pr("opened"));
    model.finish(1);
    model.deliver(
      pr("closed", { state: "closed", updatedAt: "2026-01-01T00:00:01Z" }),
      pr("reopened", { updatedAt: "2026-01-01T00:00:02Z" }),
    );
    expect(model.log).toEqual(["start 1"]);
  });

  test("order is not kept: what is older changes nothing", () => {
    const model = new Model();
    model.deliver(
      pr("synchronize", { head: C, updatedAt: "2026-01-01T00:00:05Z" }, A),
      pr("opened"),
    );
    expect(model.live()).toEqual(["pull:7 c 1"]);
    // Within one second: the head that was already replaced.
    const second = new Model();
    second.deliver(pr("synchronize", { head: C }, A), pr("opened"));
    expect(second.live()).toEqual(["pull:7 c 1"]);
  });

  test("a head is judged, whichever delivery tells of it first", () => {
    const model = new Model();
    const draft = pr("changed", { draft: true, updatedAt: "2026-01-01T00:00:01Z" });
    model.deliver(draft, pr("opened"), draft);
    expect(model.live()).toEqual(["pull:7 a 1"]);
    const labelled = pr("changed", { head: C, updatedAt: "2026-01-01T00:00:03Z" });
    model.deliver(
      labelled,
      pr("synchronize", { head: C, updatedAt: "2026-01-01T00:00:02Z" }, A),
      labelled,
    );
    expect(model.live()).toEqual(["pull:7 c 2"]);
    expect(model.log).toEqual(["start 1", "start 2", "supersede 1 by run 2"]);
  });

  test("whoever labels, reopens or retargets a head did not bring it", () => {
    const model = new Model();
    model.deliver(
      pr("changed", { author: "eve" }, null, ada),
      pr("reopened", { author: "eve", updatedAt: "2026-01-01T00:00:01Z" }, null, ada),
    );
    expect(model.runs.get(1)?.sender).toEqual({ login: "eve", id: 0, type: "User" });
    const brought = new Model();
    brought.deliver(
      pr("opened", {}, null, eve),
      pr("retargeted", { baseRef: "x", updatedAt: "2026-01-01T00:00:01Z" }, null, ada),
    );
    expect(brought.runs.get(2)?.sender).toEqual(eve);
  });
});

describe("the merge queue", () => {
  const group = (action: "checks_requested" | "destroyed", head = A) =>
    event({ kind: "merge_group", action, head, headRef: "gh-readonly-queue/main/pr-7", base: B });
  test("a group is judged until it is gone", () => {
    const model = new Model();
    model.deliver(group("checks_requested"));
    expect(model.runs.get(1)?.reason).toEqual({
      kind: "merge_group",
      head: A,
      headRef: "gh-readonly-queue/main/pr-7",
      base: B,
    });
    model.deliver(group("destroyed"));
    expect(model.live()).toEqual([]);
  });
});

describe("asking again", () => {
  test("a check's run starts afresh, for the same reason and sender", () => {
    const model = new Model();
    model.deliver(pr("opened", {}, null, eve));
    model.finish(1);
    model.deliver(rerun("check:1-1:checks"));
    expect(model.runs.get(2)).toMatchObject({ fresh: true, key: "pull:7", head: A, sender: eve });
  });

  test("two checks of a run asked for at once are one new run", () => {
    const model = new Model();
    model.deliver(pr("opened"));
    model.finish(1);
    model.deliver(rerun("check:1-1:checks"), rerun("check:1-1:packages"));
    expect(model.live()).toEqual(["pull:7 a 2"]);
    expect(model.runs.size).toBe(2);
  });

  test("an older head asked for again does not end the run of the newest", () => {
    const model = new Model();
    model.deliver(push("main", A), push("main", B, A));
    model.deliver(rerun("check:1-1:checks", A));
    expect(model.live()).toEqual(["push:refs/heads/main b 2", "push:refs/heads/main a 3"]);
  });

  test("the check from before the approval, asked for again, is judged as approved", () => {
    const model = new Model();
    model.deliver(pr("opened", { fork: true, head: A }, null, eve));
    model.approve({ sha: A, pull: 7, by: ada, role: "write" });
    model.finish(2, "failure");
    // GitHub shows "needs approval" of run 1 below the verdict of run 2; either can be asked for again.
    model.deliver(rerun("check:1-1:snowcat"));
    expect(model.runs.get(3)).toMatchObject({ head: A, approved: A, fresh: true });
  });

  test("nothing is approved by asking again: not without an approval, not for another commit", () => {
    const model = new Model();
    model.deliver(pr("opened", { fork: true, head: A }, null, eve), rerun("check:1-1:snowcat"));
    expect(model.runs.get(2)).toMatchObject({ head: A, approved: null });
    const moved = { fork: true, head: C, updatedAt: "2026-01-01T00:00:01Z" };
    model.deliver(pr("synchronize", moved, A, eve));
    model.approve({ sha: C, pull: 7, by: ada, role: "write" });
    model.deliver(rerun("check:1-1:snowcat", A));
    expect(model.runs.get(5)).toMatchObject({ head: A, approved: null });
    expect(model.runs.get(4)).toMatchObject({ head: C, approved: C, state: "active" });
  });

  test("a suite is every newest run of its commit", () => {
    const model = new Model();
    model.deliver(push("main", A), pr("opened", { headRef: "x" }));
    model.finish(1);
    model.finish(2);
    model.deliver(event({ kind: "check_suite", action: "rerequested", head: A }));
    expect(model.live()).toEqual(["push:refs/heads/main a 3", "pull:7 a 4"]);
    expect([model.runs.get(3)?.fresh, model.runs.get(4)?.fresh]).toEqual([true, true]);
  });

  test.each([
    "",
    "check:2-1:x",
    "check:1-9:x",
    "check:1-1",
    "check:01-1:x",
    "x:1-1:y",
    "check:1-1e0:x",
  ])("%j is no check of ours", (externalId) => {
    const model = new Model();
    model.deliver(push("main", A));
    model.deliver(rerun(externalId));
    expect(model.runs.size).toBe(1);
    expect(runOfCheck(externalId, 1) === null || externalId.startsWith("check:1-9:")).toBe(true);
  });
});

describe("identity", () => {
  test("without an installation nothing runs", () => {
    const model = new Model();
    model.deliver(
      event(
        { kind: "push", ref: "refs/heads/main", before: null, sha: A, pushedAt: null },
        { installation: null },
      ),
    );
    expect([model.log, model.identity]).toEqual([[], null]);
  });

  test("another repository's event, or another owner's that is not newer, is refused", () => {
    const model = new Model();
    model.deliver(push("main", A));
    expect(() =>
      model.deliver(event({ kind: "ping" }, { repository: { ...repository, id: 5 } })),
    ).toThrow(/repository 5/u);
    expect(() =>
      model.deliver(
        event({ kind: "ping" }, { repository: { ...repository, owner: { id: 8, login: "x" } } }),
      ),
    ).toThrow(ForeignOwner);
  });

  test("a transfer takes the new owner and forgets what the old owner's runners judged", () => {
    const model = new Model();
    model.deliver(push("main", A));
    model.deliver(
      event(
        { kind: "repository", action: "transferred" },
        { repository: { ...repository, owner: { id: 8, login: "x" } } },
      ),
    );
    expect([model.identity?.account, model.forgotten]).toEqual([{ id: 8, login: "x" }, 1]);
  });

  test("a new name or visibility is told on", () => {
    const model = new Model();
    model.deliver(push("main", A));
    model.published = 0;
    model.deliver(
      event(
        { kind: "repository", action: "changed" },
        { repository: { ...repository, private: true, name: "s" } },
      ),
    );
    expect([model.identity?.repository, model.published]).toMatchObject([
      { private: true, name: "s" },
      1,
    ]);
  });
});

test("whatever comes in whatever order, at most one run of a key is live for its newest head, and none is started twice", () => {
  const shas = fc.constantFrom(A, B, C, D);
  const anything = fc.oneof(
    fc
      .record({
        ref: fc.constantFrom("main", "topic"),
        sha: fc.option(shas),
        before: fc.option(shas),
        at: fc.option(fc.nat(9)),
      })
      .map(({ ref, sha, before, at }) => push(ref, sha, before, at)),
    fc
      .record({
        action: fc.constantFrom(
          "opened" as const,
          "synchronize" as const,
          "reopened" as const,
          "closed" as const,
          "retargeted" as const,
          "changed" as const,
        ),
        head: shas,
        before: fc.option(shas),
        fork: fc.boolean(),
        second: fc.nat(9),
      })
      .map(({ action, head, before, fork, second }) =>
        pr(
          action,
          {
            head,
            fork,
            updatedAt: `2026-01-01T00:00:0${second}Z`,
            state: action === "closed" ? "closed" : "open",
          },
          before,
        ),
      ),
    fc.nat(6).map((n) => rerun(`check:1-${n}:x`)),
    shas.map((head) => event({ kind: "check_suite", action: "rerequested", head })),
  );
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 30 }), (events) => {
      const model = new Model();
      for (const one of events) {
        const before = model.runs.size;
        model.deliver(one);
        // The same delivery's decision, asked for again, starts nothing that is not there already.
        if (one.what.kind === "push" || one.what.kind === "pull_request") {
          const after = model.runs.size;
          model.deliver(one);
          expect(model.runs.size).toBe(after);
          expect(after - before).toBeLessThanOrEqual(1);
        }
      }
      const live = [...model.runs.values()]
        .filter(({ state }) => state === "active")
        .map(({ key, head }) => `${key} ${head}`);
      expect(new Set(live).size).toBe(live.length);
      expect(new Set(model.log.filter((line) => line.startsWith("start"))).size).toBe(
        model.runs.size,
      );
    }),
    { numRuns: 1_000 },
  );
});

test("decisions are data: the same slice and event give the same decision", () => {
  const model = new Model();
  model.deliver(push("main", A));
  const slice = model.slice(push("main", B, A));
  expect(decide(slice, push("main", B, A), 5, "github.com")).toEqual(
    decide(structuredClone(slice), push("main", B, A), 5, "github.com"),
  );
  expect(approved(slice, { sha: A, pull: 7, by: ada, role: "write" }, [], 5)).toEqual({
    changes: [],
    effects: [],
  });
});
