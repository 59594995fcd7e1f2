import examples from "@octokit/webhooks-examples";
import { describe, expect, test } from "vitest";
import { readEvent } from "../../../src/core/event/read.ts";
import { timeOf } from "../../../src/core/event/time.ts";

const all = examples.flatMap(({ name, examples: payloads }) =>
  payloads.map((payload, index) => ({ name, index, payload: payload as unknown })),
);

/** Actions that are acted on, of events that have others as well. */
function acted(name: string, example: unknown): boolean {
  const { action, issue, sender } = example as {
    action?: string;
    issue?: { pull_request?: object };
    sender?: { type: string };
  };
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
      return action === "created" && issue?.pull_request !== undefined && sender?.type === "User";
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

  test("only what a person has just written on a pull request is a comment", () => {
    const ada = { id: 3, type: "User" };
    const comment = (action: string, issue: object, user: object | null = ada, sender = {}) =>
      readEvent(
        "issue_comment",
        payload({
          action,
          comment: { id: 5, body: "/ok-to-test", created_at: "2026-02-28T23:59:59Z", user },
          issue: { number: 7, ...issue },
          sender: { id: 3, login: "ada", type: "User", ...sender },
        }),
      ).what;
    const pull = { pull_request: {} };
    expect(comment("created", pull)).toEqual({
      kind: "comment",
      pull: 7,
      id: 5,
      at: 1_772_323_199_000,
      body: "/ok-to-test",
    });
    for (const other of [
      comment("edited", pull),
      comment("deleted", pull),
      comment("created", {}),
      comment("created", pull, { id: 3, type: "Bot" }),
      comment("created", pull, { id: 4, type: "User" }),
      comment("created", pull, null),
      comment("created", pull, ada, { type: "Bot" }),
    ])
      expect(other.kind).toBe("other");
  });

  test("times are read as the platform reads them, and nothing else is a time", () => {
    for (const text of [
      "1970-01-01T00:00:00Z",
      "2000-02-29T12:00:00Z",
      "2026-03-01T00:00:01Z",
      "2100-12-31T23:59:59Z",
    ])
      expect(timeOf(text), text).toBe(Date.parse(text));
    for (const text of ["", "yesterday", "2026-01-01", "2026-01-01T00:00:00+02:00"])
      expect(timeOf(text), text).toBeNull();
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
