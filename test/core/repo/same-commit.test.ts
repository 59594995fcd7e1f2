import { describe, expect, test } from "vitest";
import { A, ada, B, C, eve, event, pr, push, rerun } from "./events.ts";
import { Model } from "./model.ts";

/** GitHub shows checks by commit and name: whoever speaks about a commit speaks for all who have it as their head. */

const later = "2026-01-01T00:00:05Z";
const fork = (over: Parameters<typeof pr>[1] = {}) =>
  pr("opened", { fork: true, headRef: "theirs", author: "eve", ...over }, null, eve);
const group = event({
  kind: "merge_group",
  action: "checks_requested",
  head: A,
  headRef: "gh-readonly-queue/main/pr-7",
  base: B,
});

describe("a fork that puts up a commit of the repository", () => {
  test.each([
    ["the default branch's", push("main", A)],
    ["a branch's", push("topic", A)],
    ["a pull request's of the repository", pr("opened", { number: 3 })],
    ["the merge queue's", group],
  ])("%s: it gets no run, so it neither blocks nor passes it", (_name, own) => {
    const model = new Model();
    model.deliver(own, fork({ number: 9 }));
    expect([...model.runs.keys()]).toEqual([1]);
    model.finish(1);
    model.deliver(
      pr("reopened", { number: 9, fork: true, author: "eve", updatedAt: later }, null, eve),
    );
    model.approve({ sha: A, pull: 9, by: ada, role: "admin" });
    expect([...model.runs.keys()]).toEqual([1]);
  });

  test("its earlier commit's run ends all the same", () => {
    const model = new Model();
    model.deliver(push("main", A), fork({ number: 9, head: C }));
    expect(model.live()).toEqual(["push:refs/heads/main a 1", "pull:9 c 2"]);
    model.deliver(pr("synchronize", { number: 9, fork: true, head: A, updatedAt: later }, C, eve));
    expect(model.live()).toEqual(["push:refs/heads/main a 1"]);
  });

  test("what the repository says takes the place of what a fork's run had begun to say", () => {
    const model = new Model();
    model.deliver(fork({ number: 9 }), group);
    expect(model.live()).toEqual(["queue:gh-readonly-queue/main/pr-7 a 2"]);
    expect(model.runs.get(2)?.succeeds).toEqual([1]);
    // Asked for again, the fork's run stays ended.
    model.deliver(rerun("check:1-1:snowcat"));
    model.deliver(event({ kind: "check_suite", action: "rerequested", head: A }));
    expect([...model.runs.values()].filter(({ key }) => key === "pull:9")).toHaveLength(1);
  });

  test("once the repository's own run was given up, the fork is judged by itself", () => {
    const model = new Model();
    model.deliver(push("topic", A), push("topic", null, A), fork({ number: 9 }));
    expect(model.live()).toEqual(["pull:9 a 2"]);
  });
});

describe("a stranger who proposes a branch of the repository", () => {
  const proposed = pr("opened", { number: 9, headRef: "topic", author: "eve" }, null, eve);

  test("does not end the branch's run, and is judged only when somebody with write vouches", () => {
    const model = new Model();
    model.deliver(push("topic", A), proposed);
    expect(model.live()).toEqual(["push:refs/heads/topic a 1"]);
    expect(model.log).toEqual(["start 1", `ask eve about ${A}`]);
    model.approve({ sha: A, pull: 9, by: eve, role: "read" });
    expect(model.live()).toEqual(["push:refs/heads/topic a 1"]);
    model.approve({ sha: A, pull: 9, by: ada, role: "write" });
    expect(model.live()).toEqual(["pull:9 a 2"]);
    expect(model.runs.get(2)).toMatchObject({ sender: ada, approved: A, succeeds: [1] });
  });

  test("a colleague vouches by proposing it", () => {
    const model = new Model();
    model.deliver(push("topic", A), proposed);
    model.approve({ sha: A, pull: 9, by: eve, role: "write" });
    expect(model.runs.get(2)).toMatchObject({ sender: eve, key: "pull:9" });
  });

  test("where nothing judges the commit, it is as before: a run, which trust decides about", () => {
    const model = new Model();
    model.deliver(proposed);
    expect(model.live()).toEqual(["pull:9 a 1"]);
  });
});

describe("runs that go on with the checks of others", () => {
  test("those of the same commit and subject, and the branch's that a pull request takes over", () => {
    const model = new Model();
    model.deliver(push("topic", A), pr("opened"));
    expect(model.runs.get(2)?.succeeds).toEqual([1]);
    model.deliver(pr("retargeted", { baseRef: "release", updatedAt: later }));
    expect(model.runs.get(3)?.succeeds).toEqual([2]);
  });

  test("those that were over before, newest first and not without end", () => {
    const model = new Model();
    model.deliver(pr("opened"));
    model.finish(1, "failure");
    model.deliver(rerun("check:1-1:snowcat"));
    expect(model.runs.get(2)).toMatchObject({ fresh: true, succeeds: [1] });
    // Ended while it ran, and the one before it, which was over.
    model.deliver(pr("retargeted", { baseRef: "release", updatedAt: later }));
    expect(model.runs.get(3)?.succeeds).toEqual([2, 1]);
    for (let n = 3; n < 30; n += 1) {
      model.finish(n, "failure");
      model.deliver(rerun(`check:1-${n}:snowcat`));
    }
    const before = model.runs.get(30)?.succeeds ?? [];
    expect(before).toHaveLength(20);
    expect(before.slice(0, 2)).toEqual([29, 28]);
  });

  test("none that was over for another commit or for another subject", () => {
    const model = new Model();
    model.deliver(pr("opened"), pr("opened", { number: 8, baseRef: "release" }));
    model.finish(1, "failure");
    model.finish(2, "failure");
    model.deliver(rerun("check:1-2:snowcat"));
    expect(model.runs.get(3)?.succeeds).toEqual([2]);
    model.deliver(pr("synchronize", { head: B, updatedAt: later }, A));
    expect(model.runs.get(4)).toMatchObject({ head: B, succeeds: [] });
  });

  test("none of another commit, and none that lives on", () => {
    const model = new Model();
    model.deliver(pr("opened"), pr("opened", { number: 8, baseRef: "release" }), push("main", A));
    expect(model.live()).toEqual(["pull:7 a 1", "pull:8 a 2", "push:refs/heads/main a 3"]);
    expect([...model.runs.values()].map(({ succeeds }) => succeeds)).toEqual([[], [], []]);
    model.deliver(push("main", B, A));
    expect(model.runs.get(4)?.succeeds).toEqual([]);
  });
});
