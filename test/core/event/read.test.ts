import examples from "@octokit/webhooks-examples";
import { describe, expect, test } from "vitest";
import { readEvent } from "../../../src/core/event/read.ts";

const all = examples.flatMap(({ name, examples: payloads }) =>
  payloads.map((payload, index) => ({ name, index, payload: payload as unknown })),
);

/** Actions that are acted on, of events that have others as well. */
function acted(name: string, example: unknown): boolean {
  const { action, issue } = example as { action?: string; issue?: { pull_request?: object } };
  switch (name) {
    case "installation":
      return ["created", "deleted", "suspend", "unsuspend"].includes(action ?? "");
    case "check_run":
      return ["rerequested", "requested_action"].includes(action ?? "");
    case "check_suite":
      return action === "rerequested";
    case "merge_group":
      return ["checks_requested", "destroyed"].includes(action ?? "");
    case "issue_comment":
      return action === "created" && issue?.pull_request !== undefined;
    default:
      return false;
  }
}

const payload = (over: object) => ({
  repository: {
    id: 1,
    name: "r",
    private: false,
    default_branch: "main",
    clone_url: "https://github.com/o/r.git",
    owner: { id: 2, login: "o" },
  },
  sender: { id: 3, login: "ada", type: "User" },
  installation: { id: 9 },
  ...over,
});
const side = (sha: string, ref: string, repo: number | null) => ({
  sha: sha.repeat(40),
  ref,
  repo: repo === null ? null : { id: repo },
});
const pull = (over: object) => ({
  number: 7,
  state: "open",
  updated_at: "2026-01-01T00:00:00Z",
  user: { login: "eve" },
  head: side("a", "topic", 1),
  base: side("b", "main", 1),
  ...over,
});

describe("reading a delivery", () => {
  test("there are 329 published examples", () => {
    expect(all).toHaveLength(329);
  });

  test.each(all)("example $name #$index is read", ({ name, payload: example }) => {
    const event = readEvent(name, example);
    // Every action of these means something to us.
    const whole = ["push", "ping", "pull_request", "repository", "installation_repositories"];
    expect(event.what.kind === "other").toBe(!whole.includes(name) && !acted(name, example));
  });

  test("a head elsewhere, or in a repository that is gone, is a fork", () => {
    const fork = (repo: number | null) =>
      readEvent(
        "pull_request",
        payload({ action: "opened", pull_request: pull({ head: side("a", "main", repo) }) }),
      ).what;
    expect(fork(1)).toMatchObject({ pull: { fork: false } });
    expect(fork(2)).toMatchObject({ pull: { fork: true } });
    expect(fork(null)).toMatchObject({ pull: { fork: true } });
  });

  test("an edit is only one of the base where the base changed", () => {
    const edited = (changes: object) =>
      readEvent("pull_request", payload({ action: "edited", changes, pull_request: pull({}) }))
        .what;
    expect(edited({ base: { ref: { from: "old" } } })).toMatchObject({ action: "retargeted" });
    expect(edited({ title: { from: "old" } })).toMatchObject({ action: "changed" });
  });

  test("an edited comment and one on an issue are passed over", () => {
    const comment = (action: string, issue: object) =>
      readEvent(
        "issue_comment",
        payload({
          action,
          comment: { id: 5, body: "/ok-to-test" },
          issue: { number: 7, ...issue },
        }),
      ).what.kind;
    expect(comment("created", { pull_request: {} })).toBe("comment");
    expect(comment("edited", { pull_request: {} })).toBe("other");
    expect(comment("created", {})).toBe("other");
  });

  test("a deletion has no commit", () => {
    const what = readEvent(
      "push",
      payload({
        ref: "refs/heads/x",
        before: "a".repeat(40),
        after: "0".repeat(40),
        deleted: true,
      }),
    ).what;
    expect(what).toMatchObject({ kind: "push", sha: null, before: "a".repeat(40) });
  });

  test("a payload without what its event needs says so", () => {
    expect(() => readEvent("push", payload({ ref: "refs/heads/x" }))).toThrow(
      /payload of push cannot be read.*before/su,
    );
    expect(() => readEvent("push", [])).toThrow(/push/u);
    expect(() =>
      readEvent("pull_request", payload({ pull_request: pull({ head: { sha: "zz", ref: "x" } }) })),
    ).toThrow(/sha/u);
  });
});
