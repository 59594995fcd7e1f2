import { expect, test } from "vitest";
import { A, B, C, event, pr, push } from "./events.ts";
import { Model } from "./model.ts";

/** A run is not cancelled as long as its commit is judged for another reason too: the newest check of a name counts. */

const later = "2026-01-01T00:00:05Z";

test("a branch at a pull request's head is deleted: its run goes on", () => {
  const model = new Model();
  model.deliver(push("topic", A), pr("opened", { headRef: "topic" }));
  model.finish(2);
  model.deliver(push("same", A), push("same", null, A));
  expect(model.live()).toEqual(["push:refs/heads/same a 3"]);
});

test("and so it does when the branch moves on, beside the run of the new head", () => {
  const model = new Model();
  model.deliver(push("main", A), push("same", A), push("same", B, A));
  expect(model.live()).toEqual([
    "push:refs/heads/main a 1",
    "push:refs/heads/same a 2",
    "push:refs/heads/same b 3",
  ]);
});

test("a pull request that is closed leaves the default branch's commit its verdict", () => {
  const model = new Model();
  model.deliver(
    push("main", A),
    pr("opened", { headRef: "topic", baseRef: "release" }),
    pr("closed", { headRef: "topic", baseRef: "release", state: "closed", updatedAt: later }),
  );
  expect(model.live()).toEqual(["push:refs/heads/main a 1", "pull:7 a 2"]);
});

const closed = pr("closed", { headRef: "topic", state: "closed", updatedAt: later });

test("a branch whose push came before the word that its pull request was closed is judged by itself", () => {
  const model = new Model();
  model.deliver(push("topic", A), pr("opened", { headRef: "topic" }), push("topic", B, A));
  expect(model.live()).toEqual(["pull:7 a 2"]);
  model.deliver(closed);
  expect(model.live()).toEqual(["push:refs/heads/topic b 3"]);
});

test("a branch that stands where its pull request stood is left alone, and so is one that is gone", () => {
  const model = new Model();
  model.deliver(push("topic", A), pr("opened", { headRef: "topic" }), closed);
  expect(model.live()).toEqual([]);
  const other = new Model();
  other.deliver(push("topic", A), pr("opened", { headRef: "topic" }), push("topic", null, A));
  other.deliver(closed);
  expect(other.live()).toEqual([]);
});

test("alone on its commit it ends", () => {
  const model = new Model();
  model.deliver(push("main", C), push("topic", A), push("topic", null, A));
  expect(model.live()).toEqual(["push:refs/heads/main c 1"]);
});

test("all checks of a commit are asked for again: what stands on it, not where its branches have gone since", () => {
  const model = new Model();
  model.deliver(push("topic", A));
  model.finish(1);
  model.deliver(push("topic", B, A));
  model.finish(2);
  model.deliver(event({ kind: "check_suite", action: "rerequested", head: A }));
  expect(model.live()).toEqual(["push:refs/heads/topic a 3"]);
});
