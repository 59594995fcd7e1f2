import { describe, expect, it } from "vitest";
import { type DeployQuestion, objections } from "../../../src/core/deploy/index.ts";
import { inWindow } from "../../../src/core/deploy/window.ts";

const OWN = 900;
/** Friday, 2026-11-20, 12:00 UTC. */
const NOON = 1_795_176_000_000;
const SHA = "a".repeat(40);
const green = (name: string, app: number | null = OWN) => ({ name, app, conclusion: "success" });

const fine: DeployQuestion = {
  now: NOON,
  purpose: "deploy",
  sha: SHA,
  policy: {},
  machines: [{ name: "web1", hold: null, problems: [] }],
  checks: [green("snowcat"), green("lint", 15_368)],
  required: [{ name: "snowcat", app: OWN }],
  ownApp: OWN,
  holdsBase: true,
  onDefaultBranch: "not-asked",
  earlier: [],
};
const codes = (fields: Partial<DeployQuestion>) =>
  objections({ ...fine, ...fields }).map(({ code }) => code);

describe("what keeps a deploy from going on", () => {
  it("is nothing where all is well", () => {
    expect(codes({})).toEqual([]);
    expect(codes({ holdsBase: "not-asked", onDefaultBranch: true })).toEqual([]);
  });

  it.each([
    ["a policy that could not be read", { policy: null }, ["unreadable"]],
    ["checks that could not be read", { checks: null }, ["checks"]],
    ["protection that could not be read", { required: null }, ["checks"]],
    ["a base that nobody looked at", { holdsBase: null }, ["branch"]],
    ["a default branch that nobody looked at", { onDefaultBranch: null }, ["branch"]],
    ["a commit whose place nobody asked for", { holdsBase: "not-asked" }, ["branch"]],
    ["a head without its base", { holdsBase: false }, ["branch"]],
    [
      "a commit that the default branch has left behind",
      { holdsBase: "not-asked", onDefaultBranch: "passed" },
      ["branch"],
    ],
    [
      "one that it left behind while the deploy goes on: that is another one's",
      { holdsBase: "not-asked", onDefaultBranch: "passed", goesOn: true },
      [],
    ],
    [
      "one that was pushed away meanwhile",
      { holdsBase: "not-asked", onDefaultBranch: false, goesOn: true },
      ["branch"],
    ],
    ["a commit that is nowhere", { holdsBase: "not-asked", onDefaultBranch: false }, ["branch"]],
    ["no check of ours", { checks: [green("lint")] }, ["checks"]],
    ["somebody else's check of our name", { checks: [green("snowcat", 1)] }, ["checks"]],
    ["one that goes on", { checks: [{ ...green("snowcat"), conclusion: null }] }, ["checks"]],
    [
      "one of two of a name that failed",
      { checks: [green("snowcat"), { ...green("snowcat"), conclusion: "failure" }] },
      ["checks"],
    ],
    [
      "a required check of any App that is missing",
      { required: [{ name: "build", app: null }] },
      ["checks"],
    ],
    [
      "neutral, where success is asked for",
      { checks: [{ ...green("snowcat"), conclusion: "neutral" }] },
      ["checks"],
    ],
    [
      "a check that the policy names, by another App",
      { policy: { required_checks: [{ name: "lint", app: 7 }] } },
      ["checks"],
    ],
    [
      "any check, where all are asked for",
      {
        policy: { checks: "all" },
        required: null,
        checks: [green("snowcat"), { ...green("docs", 3), conclusion: "failure" }],
      },
      ["checks"],
    ],
    ["a freeze", { policy: { freeze: "holidays" } }, ["freeze"]],
    [
      "a freeze on its last day",
      { policy: { freeze: [{ from: "2026-11-19", until: "2026-11-20" }] } },
      ["freeze"],
    ],
    ["another window", { policy: { windows: [{ days: ["mon"] }] } }, ["window"]],
    [
      "a machine of an earlier stage on another commit",
      { earlier: [{ machine: "canary", active: "b".repeat(40) }] },
      ["order"],
    ],
    ["one that has nothing", { earlier: [{ machine: "canary", active: null }] }, ["order"]],
    ["a hold", { machines: [{ name: "web1", hold: "moving", problems: [] }] }, ["hold"]],
    [
      "a machine that cannot be deployed",
      { machines: [{ name: "web1", hold: null, problems: ["no target host"] }] },
      ["problem"],
    ],
  ] as const)("%s", (_what, fields, expected) => {
    expect(codes(fields as Partial<DeployQuestion>)).toEqual(expected);
  });

  it("is not what tells of deploys themselves, nor a freeze that is over, nor order where none is asked for", () => {
    const failed = { name: "snowcat / deploy", app: OWN, conclusion: "failure" };
    expect(codes({ policy: { checks: "all" }, checks: [...fine.checks!, failed] })).toEqual([]);
    expect(
      codes({ policy: { checks: "all" }, checks: [...fine.checks!, { ...failed, app: 3 }] }),
    ).toEqual(["checks"]);
    expect(codes({ policy: { freeze: [{ from: "2026-11-01", until: "2026-11-19" }] } })).toEqual(
      [],
    );
    const earlier = [{ machine: "canary", active: null }];
    expect(codes({ policy: { order: "any" }, earlier })).toEqual([]);
  });

  it("lets a rollback through all but holds", () => {
    const worst = {
      purpose: "rollback",
      policy: { freeze: "holidays", windows: [{ days: ["mon"] }] },
      checks: null,
      holdsBase: false,
      earlier: [{ machine: "canary", active: null }],
    } satisfies Partial<DeployQuestion>;
    expect(codes(worst)).toEqual([]);
    const machines = [{ name: "web1", hold: "moving", problems: ["no target host"] }];
    expect(codes({ ...worst, machines })).toEqual(["hold"]);
    expect(codes({ purpose: "rollback", policy: null })).toEqual(["unreadable"]);
  });
});

describe("a window", () => {
  const at = (iso: string) => Date.parse(iso);
  it.each([
    ["inside", { days: ["fri"], from: "09:00", to: "17:00" }, "2026-11-20T09:00:00Z", true],
    ["at its end", { days: ["fri"], from: "09:00", to: "17:00" }, "2026-11-20T17:00:00Z", false],
    ["on another day", { days: ["fri"], from: "09:00" }, "2026-11-21T10:00:00Z", false],
    [
      "by another zone's clock",
      { days: ["sat"], zone: "Asia/Tokyo" },
      "2026-11-20T15:30:00Z",
      true,
    ],
    [
      "in winter",
      { from: "09:00", to: "10:00", zone: "Europe/Berlin" },
      "2026-11-20T08:30:00Z",
      true,
    ],
    [
      "in summer",
      { from: "09:00", to: "10:00", zone: "Europe/Berlin" },
      "2026-07-20T07:30:00Z",
      true,
    ],
    [
      "before midnight",
      { days: ["fri"], from: "22:00", to: "04:00" },
      "2026-11-20T23:00:00Z",
      true,
    ],
    ["behind it", { days: ["fri"], from: "22:00", to: "04:00" }, "2026-11-21T03:59:00Z", true],
    [
      "behind it, of the next day",
      { days: ["sat"], from: "22:00", to: "04:00" },
      "2026-11-21T03:00:00Z",
      false,
    ],
    ["at midnight", { from: "00:00", to: "24:00" }, "2026-11-21T00:00:00Z", true],
  ] as const)("%s", (_what, window, when, expected) => {
    expect(inWindow([window as never], at(when))).toBe(expected);
  });
});
