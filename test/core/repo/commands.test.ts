import { describe, expect, test } from "vitest";
import { inSet } from "../../../src/core/config/match.ts";
import { answer, commands, fork } from "./answers.ts";
import { A, ada, B, C, D, eve, pr, press, say } from "./events.ts";
import { Model } from "./model.ts";

/** A pull request of a branch, its head recorded long enough ago. */
function opened(): Model {
  const model = new Model();
  model.deliver(pr("opened"));
  model.later(120_000);
  return model;
}

describe("a comment", () => {
  test("is read once: eyes at once, each command in its order, one reaction when all are done", () => {
    const model = opened();
    model.finish(1, "failure");
    const twice = say("/status\n\nand\n/retry\n", ada, 5, model.now);
    model.deliver(twice, twice);
    expect(model.log).toEqual(["start 1", "eyes on 5"]);
    expect([...model.commands.keys()]).toEqual(["comment:5:1", "comment:5:4"]);
    model.answer(() => answer());
    model.deliver(twice);
    expect(commands(model)).toEqual([
      { text: "/status", state: "done", became: "done" },
      { text: "/retry", state: "done", became: "done" },
    ]);
    expect(model.log).toEqual(["start 1", "eyes on 5", "start 2", "+1 on 5"]);
    expect(model.audit).toEqual([
      "/status: allowed",
      "/status: done",
      "/retry: allowed",
      "/retry: done",
    ]);
  });

  test("without a command, by a bot or by an organization does nothing at all", () => {
    const model = opened();
    model.deliver(
      say("looks good, /retry later"),
      say("/retry", { ...ada, type: "Bot" }),
      say("/retry", { ...ada, type: "Organization" }),
    );
    expect([model.log, model.audit, model.commands.size]).toEqual([["start 1"], [], 0]);
  });

  test("with a thousand commands runs none, and is answered once", () => {
    const model = opened();
    model.deliver(say("/retry all\n".repeat(1_000)));
    model.answer(() => answer());
    expect(commands(model)).toEqual([{ text: "", state: "done", became: "problem" }]);
    expect(model.log).toEqual(["start 1", "eyes on 5", "confused on 5"]);
  });

  test("with something that is no command says so and does the rest", () => {
    const model = opened();
    model.deliver(say("/retri\n/status", ada, 5, model.now));
    model.answer(() => answer());
    expect(commands(model).map(({ became }) => became)).toEqual(["problem", "done"]);
    expect(model.log.at(-1)).toBe("confused on 5");
  });

  test("of somebody who floods costs no request", () => {
    const model = opened();
    for (let n = 0; n < 70; n += 1) model.deliver(say("/status", eve, 100 + n, model.now));
    expect(model.commands.size).toBe(60);
    expect(model.log.filter((line) => line.startsWith("eyes"))).toHaveLength(60);
    expect(model.audit.filter((line) => line.endsWith("ignored"))).toHaveLength(10);
    // Others are heard all the same.
    model.deliver(say("/status", ada, 200, model.now));
    expect(model.commands.size).toBe(61);
  });
});

describe("who may", () => {
  test.each([null, "none", "read", "triage", "custom"])("%s does not retry", (role) => {
    const model = opened();
    model.finish(1, "failure");
    model.deliver(say("/retry", ada, 5, model.now));
    model.answer(() => answer({ role }));
    expect(commands(model)).toEqual([{ text: "/retry", state: "done", became: "permission" }]);
    expect(model.log).toEqual(["start 1", "eyes on 5", "-1 on 5"]);
    expect(model.audit).toEqual(["/retry: permission"]);
  });

  test("a team that the policy names does, with what GitHub says of it and not of itself", () => {
    const policy = { writers: [], commands: { retry: { teams: ["ops"] } } };
    const of = (teams: string[]) => {
      const model = opened();
      model.finish(1, "failure");
      model.deliver(say(`/retry failed ${A}`, ada, 5, model.now));
      model.answer(() => answer({ role: "triage", teams, policy }));
      return model.runs.size;
    };
    expect([of([]), of(["ops"])]).toEqual([1, 2]);
  });

  test("is asked again just before the effect: what was taken away meanwhile counts", () => {
    const model = opened();
    model.finish(1, "failure");
    model.deliver(say("/retry", ada, 5, model.now));
    const [row] = model.commands.values();
    model.answerOne(row!, answer());
    expect(commands(model)).toEqual([{ text: "/retry", state: "acting", became: null }]);
    model.answer(() => answer({ role: "read" }));
    expect(commands(model)).toEqual([{ text: "/retry", state: "done", became: "permission" }]);
    expect(model.runs.size).toBe(1);
    expect(model.audit).toEqual(["/retry: allowed", "/retry: permission"]);
  });

  test("an answer that comes an hour late, or a second time, does nothing", () => {
    const model = opened();
    model.finish(1, "failure");
    model.deliver(say("/retry", ada, 5, model.now));
    const [row] = model.commands.values();
    model.later(3_600_001);
    model.answerOne(row!, answer());
    model.answerOne(row!, answer());
    expect(commands(model)).toEqual([{ text: "/retry", state: "done", became: "stale" }]);
    expect(model.runs.size).toBe(1);
  });
});

describe("bound to a commit", () => {
  test("a head that is younger than a minute must be named, and the exact line is told", () => {
    const model = new Model();
    model.deliver(pr("opened"));
    model.finish(1, "failure");
    model.later(30_000);
    model.deliver(say("/retry", ada, 5, model.now));
    model.answer(() => answer());
    expect(commands(model)).toEqual([{ text: "/retry", state: "done", became: "asked-for-sha" }]);
    expect(model.told).toHaveLength(1);
    expect(model.told[0]).toContain(`/retry ${A}`);
    expect(model.runs.size).toBe(1);
    model.deliver(say(`/retry ${A}`, ada, 6, model.now));
    model.answer(() => answer());
    expect(model.runs.size).toBe(2);
  });

  test.each(["before the first answer", "between the answers", "known to GitHub alone"])(
    "a push %s ends it",
    (when) => {
      const model = opened();
      model.finish(1, "failure");
      const moved = pr("synchronize", { head: C, updatedAt: "2026-01-01T00:00:01Z" }, A);
      model.deliver(say("/retry", ada, 5, model.now));
      const [row] = model.commands.values();
      if (when === "before the first answer") model.deliver(moved);
      if (when === "between the answers") {
        model.answerOne(row!, answer());
        model.deliver(moved);
      }
      const runs = model.runs.size;
      model.answer(() => answer({ head: C }));
      expect(commands(model).map(({ became }) => became)).not.toContain("done");
      expect(model.runs.size).toBe(runs);
    },
  );

  test.each(["retry failed", "build"])(
    "an answer from before the push does not let /%s pass",
    (word) => {
      const model = opened();
      model.finish(1, "failure");
      model.deliver(
        say(`/${word} ${A}`, ada, 5, model.now),
        pr("synchronize", { head: C, updatedAt: "2026-01-01T00:00:01Z" }, A),
      );
      const runs = model.runs.size;
      // GitHub still says A, the delivery has said C.
      model.answer(() => answer({ head: A }));
      expect(model.runs.size).toBe(runs);
      expect(commands(model).map(({ became }) => became)).not.toContain("done");
    },
  );
});

describe("approving a fork's commit to run", () => {
  test("by its full SHA, by somebody with write: a run with that SHA, once", () => {
    const model = new Model();
    model.deliver(fork(), say(`/ok-to-test ${A}`, ada, 5, 1_000_000));
    model.answer(() => answer());
    expect(model.runs.get(2)).toMatchObject({ approved: A, sender: eve, head: A });
    model.deliver(say(`/ok-to-test ${A}`, ada, 6, 1_000_000));
    model.answer(() => answer());
    expect(model.runs.size).toBe(2);
    expect(commands(model).map(({ became }) => became)).toEqual(["done", "nothing-to-do"]);
  });

  test.each([`/ok-to-test ${A.slice(0, 12)}`, "/ok-to-test", `/ok-to-test ${B}`])(
    "%s approves nothing",
    (body) => {
      const model = new Model();
      model.deliver(fork(), say(body, ada, 5, 1_000_000));
      model.answer(() => answer());
      expect(model.runs.size).toBe(1);
      expect(commands(model).map(({ became }) => became)).not.toContain("done");
    },
  );

  test("is good for that commit alone", () => {
    const model = new Model();
    const next = (head: string, before: string, second: number) =>
      pr(
        "synchronize",
        { fork: true, head, updatedAt: `2026-01-01T00:00:0${second}Z` },
        before,
        eve,
      );
    model.deliver(fork(), say(`/ok-to-test ${A}`, ada, 5, 1_000_000), next(C, A, 1));
    model.answer(() => answer({ head: C }));
    expect([...model.runs.values()].map(({ approved }) => approved)).toEqual([null, null]);
    model.deliver(say(`/ok-to-test ${C}`, ada, 6, 1_000_000));
    model.answer(() => answer({ head: C }));
    expect(model.runs.get(3)?.approved).toBe(C);
    model.deliver(next(D, C, 2));
    expect(model.runs.get(4)?.approved).toBeNull();
  });

  test("the button carries the commit, and somebody who may not does not use it up", () => {
    const model = new Model();
    model.deliver(fork(), press("ok-to-test", B), press("nonsense"));
    model.answer(() => answer());
    expect(model.runs.size).toBe(1);
    model.deliver(press("ok-to-test", A, eve));
    model.answer(() => answer({ role: "read" }));
    expect(model.runs.size).toBe(1);
    model.deliver(press("ok-to-test"), press("ok-to-test"));
    model.answer(() => answer());
    expect(model.runs.get(2)?.approved).toBe(A);
    expect(model.runs.size).toBe(2);
  });
});

describe("what they do", () => {
  test("/build: the pull request's set and the named patterns; a bare name is one wherever it is", () => {
    const model = opened();
    model.finish(1);
    model.deliver(say("/build hello checks.*", ada, 5, model.now));
    model.answer(() => answer());
    expect(model.runs.get(2)).toMatchObject({
      fresh: false,
      reason: { kind: "pull_request", head: A, also: ["**.hello", "checks.*"] },
    });
    model.deliver(say("/build hello checks.*", ada, 6, model.now));
    model.answer(() => answer());
    expect(commands(model)[1]).toMatchObject({ became: "nothing-to-do" });
  });

  test("/retry: what failed, everything, or one attribute; asked again by a button as well", () => {
    const retryOf = (line: string) => {
      const model = opened();
      model.finish(1, "failure");
      model.deliver(say(line, ada, 5, model.now));
      model.answer(() => answer());
      const { reason, fresh } = model.runs.get(2) ?? {};
      return [fresh, reason?.kind === "pull_request" ? reason.retry : null];
    };
    expect(["/retry", "/retry failed", "/retry all", "/retry hello"].map(retryOf)).toEqual([
      [true, "failed"],
      [true, "failed"],
      [true, "all"],
      [true, ["**.hello"]],
    ]);
    const model = opened();
    model.finish(1, "failure");
    model.deliver(press("retry"), press("retry"));
    model.answer(() => answer());
    expect(model.runs.size).toBe(2);
  });

  test("/cancel: all, one run, or the jobs of a kind", () => {
    const logOf = (line: string) => {
      const model = opened();
      model.deliver(say(line, ada, 5, model.now));
      model.answer(() => answer());
      return model.log.slice(2);
    };
    expect(["/cancel", "/cancel 1", "/cancel 7", "/cancel build"].map(logOf)).toEqual([
      ["cancel 1 by ada", "+1 on 5"],
      ["cancel 1 by ada", "+1 on 5"],
      ["-1 on 5"],
      ["end build of 1", "+1 on 5"],
    ]);
  });

  test("/approve: by somebody who neither wrote nor pushed the head", () => {
    const bob = { login: "bob", id: 6, type: "User" };
    const model = opened();
    model.deliver(say(`/approve ${A}`, ada, 5, model.now), say(`/approve ${A}`, bob, 6, model.now));
    model.answer(() => answer());
    expect(commands(model).map(({ became }) => became)).toEqual(["approval", "done"]);
    expect(model.approvals).toEqual([{ pull: 7, sha: A, by: bob }]);
  });

  test.each(["/plan", "/rollback machine1", "/lock machine1", "/hold machine1"])(
    "%s where no runner names a machine does nothing",
    (line) => {
      const model = opened();
      model.finish(1);
      model.deliver(say(line, ada, 5, model.now));
      model.answer(() => answer({ role: "admin" }));
      expect(commands(model)).toMatchObject([{ state: "done", became: "nothing-to-do" }]);
      expect([...model.runs.keys()]).toEqual([1]);
    },
  );

  test.each(["/test", "/bump x"])("%s says that it is not there yet", (line) => {
    const model = opened();
    model.finish(1);
    model.deliver(say(line, ada, 5, model.now));
    model.answer(() => answer({ role: "admin" }));
    expect(commands(model)).toMatchObject([{ state: "done", became: "not-available" }]);
  });
});

test("what is typed after /build is read as a pattern of attributes", () => {
  const fits = (typed: string, path: string) => {
    const model = opened();
    model.finish(1);
    model.deliver(say(`/build ${typed}`, ada, 5, model.now));
    model.answer(() => answer());
    const reason = model.runs.get(2)?.reason;
    return inSet((reason?.kind === "pull_request" && reason.also) || [], path.split("."));
  };
  const hello = "packages.x86_64-linux.hello";
  expect(
    [
      "hello",
      "hel*",
      "*.hello",
      "packages.*",
      "packages.*.hello",
      "*",
      "packages.x86_64-linux.h?llo",
    ].map((typed) => fits(typed, hello)),
  ).toEqual(Array.from({ length: 7 }, () => true));
  expect(["hell", "packages", "checks.*", "*.hello.x"].map((typed) => fits(typed, hello))).toEqual(
    Array.from({ length: 4 }, () => false),
  );
});
