import { describe, expect, test } from "vitest";
import { approvalsIn } from "../../../src/core/repo/comment.ts";
import { A, ada, B, C, D, eve, event, pr } from "./events.ts";
import { Model } from "./model.ts";

describe("approving", () => {
  const fork = (head = A) => pr("opened", { fork: true, head }, null, eve);
  const say = (body: string, sender = ada) =>
    event({ kind: "comment", pull: 7, id: 5, body }, { sender });

  test("the full SHA of the head, on a line of its own", () => {
    expect(approvalsIn(`thanks\n/ok-to-test ${A}\n`)).toEqual([A]);
    expect(approvalsIn(`/ok-to-test ${A}\r\nbye`)).toEqual([A]);
    for (const body of [
      "/ok-to-test",
      `/ok-to-test ${A.slice(0, 12)}`,
      `x /ok-to-test ${A}`,
      `> /ok-to-test ${A}`,
      `/ok-to-test ${A} please`,
      `/ok-to-test ${A}0`,
      `/OK-TO-TEST ${A}`,
    ]) {
      expect(approvalsIn(body), body).toEqual([]);
    }
  });

  test("a comment about the standing head asks for the role, one about another SHA or by a bot does nothing", () => {
    const model = new Model();
    model.deliver(
      fork(),
      say(`/ok-to-test ${B}`),
      say(`/ok-to-test ${A}`, { ...ada, type: "Bot" }),
    );
    expect(model.log).toEqual(["start 1"]);
    model.deliver(say(`/ok-to-test ${A}`));
    expect(model.log).toEqual(["start 1", `ask ada about ${A}`]);
  });

  test("write: a run with the approved SHA; anything less: nothing", () => {
    for (const role of [null, "none", "read", "triage", "custom"]) {
      const model = new Model();
      model.deliver(fork());
      model.approve({ sha: A, pull: 7, by: ada, role });
      expect(model.log, String(role)).toEqual(["start 1"]);
    }
    const model = new Model();
    model.deliver(fork());
    model.approve({ sha: A, pull: 7, by: ada, role: "write" });
    expect(model.runs.get(2)).toMatchObject({ approved: A, sender: eve, head: A });
    model.approve({ sha: A, pull: 7, by: ada, role: "write" });
    expect(model.runs.size).toBe(2);
  });

  test("a head that moved while the role was asked for is not approved, nor is the next one", () => {
    const model = new Model();
    model.deliver(
      fork(),
      pr("synchronize", { fork: true, head: C, updatedAt: "2026-01-01T00:00:01Z" }, A, eve),
    );
    model.approve({ sha: A, pull: 7, by: ada, role: "admin" });
    expect(model.runs.size).toBe(2);
    model.approve({ sha: C, pull: 7, by: ada, role: "admin" });
    expect(model.runs.get(3)?.approved).toBe(C);
    model.deliver(
      pr("synchronize", { fork: true, head: D, updatedAt: "2026-01-01T00:00:02Z" }, C, eve),
    );
    expect(model.runs.get(4)?.approved).toBeNull();
  });

  test("the button carries the commit", () => {
    const model = new Model();
    model.deliver(fork());
    const press = (head: string, identifier = "ok-to-test") =>
      event({
        kind: "check_run",
        action: "requested_action",
        identifier,
        externalId: "check:1-1:x",
        head,
      });
    model.deliver(press(B), press(A, "other"));
    expect(model.log).toEqual(["start 1"]);
    model.deliver(press(A));
    expect(model.log).toEqual(["start 1", `ask ada about ${A}`]);
  });
});
