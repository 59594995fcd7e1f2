import { describe, expect, test } from "vitest";
import type { Answer } from "../../../src/core/repo/answered.ts";
import { answer, commands, fork } from "./answers.ts";
import { A, ABOUT, ada, C, D, eve, pr, say } from "./events.ts";
import { Model } from "./model.ts";

/** Commands that come before the deliveries that they hang on. */

describe("a command that is ahead of the delivery of its commit", () => {
  const ahead = (body: string, said: Answer, over: { opened?: false; waited?: number } = {}) => {
    const model = new Model();
    if (over.opened === false) model.deliver(pr("opened", { number: 6 }));
    else model.deliver(fork());
    model.deliver(say(body, ada, 5, model.now));
    model.later(over.waited ?? 0);
    return [...model.commands.values()].map((row) => model.ahead(row, said));
  };
  test.each<[string, string, Answer, { opened?: false; waited?: number }]>([
    ["of a push", `/ok-to-test ${C}`, answer({ head: C }), {}],
    ["of a push, after minutes", `/ok-to-test ${C}`, answer({ head: C }), { waited: 840_000 }],
  ])("waits: %s", (_name, body, said, over) => {
    expect(ahead(body, said, over)).toEqual([true]);
  });
  test.each<[string, string, Answer, { opened?: false; waited?: number }]>([
    ["what is recorded", `/ok-to-test ${A}`, answer(), {}],
    ["another commit than GitHub's head", `/ok-to-test ${A}`, answer({ head: C }), {}],
    ["no commit", "/ok-to-test", answer({ head: C }), {}],
    ["by somebody who may not", `/ok-to-test ${C}`, answer({ head: C, role: "read" }), {}],
    ["one that nobody told of", `/ok-to-test ${C}`, answer({ head: C }), { opened: false }],
    ["an issue", `/ok-to-test ${C}`, { ...answer(), pull: null }, { opened: false }],
    ["what needs no commit", "/status", answer({ head: C }), { opened: false }],
    ["too long", `/ok-to-test ${C}`, answer({ head: C }), { waited: 900_001 }],
  ])("does not wait: %s", (_name, body, said, over) => {
    expect(ahead(body, said, over)).toEqual([false]);
  });
});

describe("a command on a pull request of which no delivery ever told", () => {
  const heard = (body: string, about: Partial<typeof ABOUT> = {}, over = {}) => {
    const model = new Model();
    model.deliver(pr("opened", { number: 6, headRef: "other", head: D }));
    model.deliver(say(body, ada, 5, model.now));
    const said = answer(over);
    if (said.pull !== null) said.pull.about = { ...ABOUT, ...about };
    model.answer(() => said);
    return model;
  };

  test("is done, with the pull request as GitHub has it", () => {
    const model = heard(`/build ${A}`);
    expect(commands(model)).toMatchObject([{ became: "done" }]);
    expect(model.pulls.get(7)).toMatchObject({
      head: A,
      headRef: "topic",
      fork: false,
      author: "ada",
      sender: { login: "ada" },
      approved: null,
    });
    expect(model.runs.get(2)).toMatchObject({ key: "pull:7", head: A, fresh: false });
  });

  test("approves a fork's very commit, and nothing else of it", () => {
    const fork = { fork: true, author: "eve" };
    const model = heard(`/ok-to-test ${A}`, fork);
    expect(model.runs.get(2)).toMatchObject({ approved: A, sender: { login: "eve" } });
    for (const body of ["/ok-to-test", "/build", `/build ${A}`, `/ok-to-test ${C}`]) {
      const refused = heard(body, fork);
      expect(commands(refused)[0]?.became, body).not.toBe("done");
      expect(refused.runs.size, body).toBe(1);
    }
  });

  test("must name the commit: nobody knows since when it stands", () => {
    const model = heard("/build");
    expect(commands(model)).toMatchObject([{ became: "asked-for-sha" }]);
    model.later(120_000);
    model.deliver(say("/build", ada, 6, model.now));
    model.answer(() => answer());
    expect(model.runs.get(2)).toMatchObject({ key: "pull:7", head: A });
  });

  test("of a fork that puts up a commit which the repository judges starts nothing", () => {
    const model = new Model();
    model.deliver(pr("opened", { number: 6, headRef: "other", head: A }));
    model.deliver(say(`/ok-to-test ${A}`, ada, 5, model.now));
    const said = answer();
    said.pull!.about = { ...ABOUT, fork: true, author: "eve" };
    model.answer(() => said);
    expect([...model.runs.values()].map(({ key }) => key)).toEqual(["pull:6"]);
  });

  test("is refused where there is none, where it is closed, and to those who may not", () => {
    expect(commands(heard(`/build ${A}`, {}, { pull: null }))).toMatchObject([
      { became: "not-a-pull-request" },
    ]);
    const closed = { ...answer().pull!, state: "closed" as const };
    expect(commands(heard(`/build ${A}`, {}, { pull: closed }))).toMatchObject([
      { became: "closed" },
    ]);
    const stranger = heard(`/build ${A}`, {}, { role: "read" });
    expect(commands(stranger)).toMatchObject([{ became: "permission" }]);
    expect(stranger.runs.size).toBe(1);
  });

  test("takes nothing from the delivery, should it come after all", () => {
    const model = heard("/status", { fork: true, author: "eve" });
    expect(model.runs.size).toBe(1);
    model.deliver(pr("opened", { fork: true, author: "eve" }, null, eve));
    expect(model.runs.get(2)).toMatchObject({ key: "pull:7", head: A, sender: { login: "eve" } });
    const moved = pr("synchronize", { head: C, fork: true, updatedAt: "2026-01-01T00:00:05Z" }, A);
    model.deliver(moved);
    expect(model.pulls.get(7)).toMatchObject({ head: C });
  });

  test("and the delivery that comes after it was approved starts no second run", () => {
    const model = heard(`/ok-to-test ${A}`, { fork: true, author: "eve" });
    model.deliver(pr("opened", { fork: true, author: "eve" }, null, eve));
    expect(model.runs.size).toBe(2);
    expect(model.pulls.get(7)).toMatchObject({ approved: A, approvedBy: "ada" });
  });
});
