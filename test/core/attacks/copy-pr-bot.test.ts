import { expect, test } from "vitest";
import type { Answer } from "../../../src/core/repo/answered.ts";
import { decideMerge } from "../../../src/core/run/index.ts";
import { A, ABOUT, C, eve, pr, say } from "../repo/events.ts";
import { Model } from "../repo/model.ts";

/**
 * copy-pr-bot, 2025: a maintainer's comment was read, then the pull request's head was fetched, and whoever pushed in
 * between was run with the maintainer's trust. What is approved is one commit, by its full name, and nothing else runs.
 */

const write = (head: string): Answer => ({
  role: "write",
  teams: [],
  policy: { writers: [], commands: {} },
  pull: { head, state: "open", about: { ...ABOUT, fork: true, author: "eve" } },
  runUrl: (n) => `https://snowcat.example/runs/1-${n}`,
});
const fork = () => pr("opened", { fork: true, head: A }, null, eve);
const pushed = () =>
  pr("synchronize", { fork: true, head: C, updatedAt: "2026-01-01T00:00:01Z" }, A, eve);
const approved = (model: Model) =>
  [...model.runs.values()].flatMap(({ head, approved: sha }) =>
    sha === null ? [] : [[head, sha]],
  );

test("it holds without a race: the commit that was named is run, approved", () => {
  const model = new Model();
  model.deliver(fork(), say(`/ok-to-test ${A}`));
  model.answer(() => write(A));
  expect(approved(model)).toEqual([[A, A]]);
});

test.each([
  ["the push is heard of before GitHub answers", [pushed()], C],
  ["the push is heard of, GitHub's answer is older", [pushed()], A],
  ["GitHub has it already, the webhook comes later", [], C],
] as const)("a push after the comment: %s", (_name, between, head) => {
  const model = new Model();
  model.deliver(fork(), say(`/ok-to-test ${A}`), ...between);
  model.answer(() => write(head));
  model.deliver(pushed());
  expect(approved(model)).toEqual([]);
});

test("a push between the two times that GitHub is asked", () => {
  const model = new Model();
  model.deliver(fork(), say(`/ok-to-test ${A}`));
  let asked = 0;
  model.answer(() => write((asked += 1) === 1 ? A : C));
  expect(asked).toBe(2);
  expect(approved(model)).toEqual([]);
});

test("a comment that names no commit, or a part of its name, approves none", () => {
  for (const body of ["/ok-to-test", `/ok-to-test ${A.slice(0, 39)}`, "/ok-to-test topic"]) {
    const model = new Model();
    model.deliver(fork(), say(body));
    model.answer(() => write(A));
    expect(approved(model), body).toEqual([]);
  }
});

test("the test merge that GitHub has is of another head: it is not built, however long it lasts", () => {
  const ready = { kind: "ready", sha: "d".repeat(40), head: C } as const;
  expect(decideMerge(ready, A, 0, 0, 1)).toMatchObject({ kind: "wait" });
  expect(decideMerge(ready, A, 9, 0, 10 * 60_000)).toMatchObject({
    kind: "end",
    verdict: { kind: "superseded" },
  });
});
