import { expect, test } from "vitest";
import { A, B, C, pr, push } from "./events.ts";
import { Model } from "./model.ts";

test.each([
  ["after the closing, its new head is judged", 61, ["push:refs/heads/topic b 3"]],
  ["long before it, a newer push is on its way, and this head is not judged again", 1, []],
])("a branch that was pushed %s", (_name, second, live) => {
  const model = new Model();
  const begin = 1_767_225_600; // 2026-01-01T00:00:00Z
  if (second === 1) model.deliver(push("topic", B, null, begin + 1));
  model.deliver(pr("opened", { updatedAt: "2026-01-01T00:00:20Z" }));
  if (second === 61) model.deliver(push("topic", C, A, begin), push("topic", B, A, begin + second));
  const closedAt = "2026-01-01T00:01:00Z";
  model.deliver(pr("closed", { state: "closed", updatedAt: closedAt, closedAt }));
  expect(model.live().map((line) => line.replace(/\d+$/u, "3"))).toEqual(live);
});

test("a head that the closing is the first to name is judged as the branch's, once", () => {
  const model = new Model();
  const begin = 1_767_225_600; // 2026-01-01T00:00:00Z
  const closedAt = "2026-01-01T00:01:00Z";
  const closing = pr("closed", { head: B, state: "closed", updatedAt: closedAt, closedAt });
  model.deliver(push("topic", A, null, begin), pr("opened"), push("topic", B, A, begin + 20));
  model.deliver(closing, pr("synchronize", { head: B, updatedAt: "2026-01-01T00:00:20Z" }, A));
  expect(model.live()).toEqual(["push:refs/heads/topic b 3"]);
  model.deliver(closing);
  expect(model.live()).toEqual(["push:refs/heads/topic b 3"]);
});

test("what is closed frees the machines that were locked for it", () => {
  const model = new Model();
  model.deliver(pr("opened"));
  const closed = pr("closed", { state: "closed", updatedAt: "2026-01-01T00:01:00Z" });
  expect(model.deliver(closed)?.effects).toContainEqual({ kind: "free-machines", pull: 7 });
});
