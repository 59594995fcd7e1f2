import { describe, expect, test } from "vitest";
import { A, B, C, event, pr, push, repository } from "./events.ts";
import { Model } from "./model.ts";

/** Repositories come, go and change their names; ids decide. The answers are in docs/answers.md. */

const NEWER = "2026-02-01T00:00:00Z";
const about = (over: Partial<typeof repository> & { updatedAt?: string | null }) => ({
  repository: { ...repository, ...over },
});
const told = (action: "changed" | "deleted" | "transferred", over = {}) =>
  event({ kind: "repository", action }, about(over));

describe("a repository", () => {
  test("renamed: its name follows, its runs go on", () => {
    const model = new Model();
    model.deliver(push("main", A), told("changed", { name: "new", updatedAt: NEWER }));
    expect(model.identity?.repository).toMatchObject({ id: 1, name: "new" });
    expect(model.live()).toEqual(["push:refs/heads/main a 1"]);
    // A delivery from before, that comes late, does not take the name back.
    model.deliver({ ...push("main", B, A), ...about({ updatedAt: "2026-01-01T00:00:00Z" }) });
    expect(model.identity?.repository.name).toBe("new");
  });

  test("whose name another one has now: each is itself, by its id", () => {
    const old = new Model();
    const other = new Model();
    old.deliver(push("main", A), told("changed", { name: "moved", updatedAt: NEWER }));
    other.deliver({ ...push("main", B), ...about({ id: 2 }) });
    expect([old.identity?.repository, other.identity?.repository]).toMatchObject([
      { id: 1, name: "moved" },
      { id: 2, name: "r" },
    ]);
    // The other one's deliveries are no news of this one, whatever they call themselves.
    expect(() => old.deliver({ ...push("main", C), ...about({ id: 2 }) })).toThrow(/repository 2/u);
    expect(old.live()).toEqual(["push:refs/heads/main a 1"]);
  });

  test("transferred: its runs end, the old account loses it, nothing of its runners' word is kept", () => {
    const model = new Model();
    model.deliver(push("main", A), push("topic", B));
    const last = model.deliver(told("transferred", { owner: { id: 8, login: "x" } }));
    expect(model.live()).toEqual([]);
    expect(last?.effects).toContainEqual({ kind: "withdraw", account: 2 });
    expect(last?.effects).toContainEqual({ kind: "publish" });
    expect([model.identity?.account.id, model.forgotten]).toEqual([8, 1]);
    model.deliver({ ...push("main", C, A), ...about({ owner: { id: 8, login: "x" } }) });
    expect(model.live()).toEqual(["push:refs/heads/main c 3"]);
  });

  test("deleted, or the App taken off it: all that runs ends, also what others speak about", () => {
    const model = new Model();
    model.deliver(push("main", A), push("same", A), pr("opened", { head: B }));
    const last = model.deliver(told("deleted"));
    expect(model.live()).toEqual([]);
    expect(last?.effects).toContainEqual({ kind: "withdraw" });
    const other = new Model();
    other.deliver(push("main", A), push("same", A));
    other.left("the App was taken off the repository");
    expect(other.live()).toEqual([]);
    // Taken on again, it is judged from the next push.
    other.deliver({ ...push("main", B, A), installation: 10 });
    expect(other.identity?.installation).toBe(10);
    expect(other.live()).toEqual(["push:refs/heads/main b 3"]);
  });

  test("made private and public again: the account and the index are told each time", () => {
    const model = new Model();
    model.deliver(push("main", A));
    for (const secret of [true, false]) {
      const last = model.deliver(told("changed", { private: secret }));
      expect(model.identity?.repository.private).toBe(secret);
      expect(last?.effects).toEqual([{ kind: "publish" }]);
    }
  });

  test("whose default branch gets another name: the policy is read anew, the new one always gets a run", () => {
    const model = new Model();
    model.deliver(push("main", A), told("changed", { defaultBranch: "trunk", updatedAt: NEWER }));
    expect(model.policyStale).toBe(2);
    const trunk = about({ defaultBranch: "trunk", updatedAt: NEWER });
    model.deliver({ ...pr("opened", { head: B, headRef: "trunk", baseRef: "stable" }), ...trunk });
    model.deliver({ ...push("trunk", B), ...trunk });
    expect(model.live()).toEqual([
      "push:refs/heads/main a 1",
      "pull:7 b 2",
      "push:refs/heads/trunk b 3",
    ]);
  });
});

describe("history that moves", () => {
  test("a force push back to an older commit is a new head; the commit is judged again", () => {
    const model = new Model();
    model.deliver(push("topic", A, null, 1), push("topic", B, A, 2), push("topic", A, B, 3));
    expect(model.live()).toEqual(["push:refs/heads/topic a 3"]);
  });

  test("changes that are rewritten all at once, as jj pushes them, are each judged at their newest", () => {
    const model = new Model();
    model.deliver(
      pr("opened", { number: 1, headRef: "push-a", head: A }),
      pr("opened", { number: 2, headRef: "push-b", head: B }),
    );
    const later = "2026-01-01T00:00:05Z";
    model.deliver(
      pr("synchronize", { number: 2, headRef: "push-b", head: C, updatedAt: later }, B),
      push("push-a", C, A),
      push("push-b", C, B),
      pr("synchronize", { number: 1, headRef: "push-a", head: C, updatedAt: later }, A),
    );
    expect(model.live()).toEqual(["pull:2 c 3", "pull:1 c 4"]);
  });

  test("a draft is judged like any other; that it is ready changes nothing", () => {
    const model = new Model();
    model.deliver(push("topic", A), pr("opened", { draft: true }));
    expect(model.live()).toEqual(["pull:7 a 2"]);
    model.deliver(pr("changed", { draft: false, updatedAt: "2026-01-01T00:00:05Z" }));
    expect(model.live()).toEqual(["pull:7 a 2"]);
  });

  test("a tag gets no run, also where it stands on a commit of its own", () => {
    const model = new Model();
    model.deliver(
      event({ kind: "push", ref: "refs/tags/v1", before: null, sha: A, pushedAt: null }),
    );
    expect(model.live()).toEqual([]);
  });

  test("a branch that is deleted ends its run, and made again is judged again", () => {
    const model = new Model();
    model.deliver(push("topic", A, null, 1), push("topic", null, A, 2));
    expect(model.live()).toEqual([]);
    model.deliver(push("topic", A, null, 3));
    expect(model.live()).toEqual(["push:refs/heads/topic a 2"]);
  });
});
