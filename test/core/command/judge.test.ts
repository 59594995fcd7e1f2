import { describe, expect, test } from "vitest";
import {
  type Asked,
  type CommandName,
  type CommandPolicy,
  COMMANDS,
  type Facts,
  type Judgement,
} from "../../../src/core/command/command.ts";
import { commandsOf } from "../../../src/core/config/commands.ts";
import { judge } from "../../../src/core/command/judge.ts";
import { rankOf, requiredFor, teamsNamed } from "../../../src/core/command/permission.ts";
import { declarationOf } from "../../../src/core/command/registry.ts";
import { active, ada, asked, bob, eve, facts, finished, HEAD, NOW, OLD, pull } from "./facts.ts";

const outcome = (judged: Judgement) => (judged.kind === "refuse" ? judged.code : judged.kind);
const judged = (a: Asked, f: Facts) => outcome(judge(a, f));
const policy = (
  commands: CommandPolicy["commands"],
  writers: string[] = [],
): { policy: CommandPolicy } => ({ policy: { commands, writers } });

describe("the head as recorded", () => {
  const at = NOW - 5_000;
  const seen = (headSeenAt: number | null, over: Partial<Facts> = {}) =>
    judged(asked("build", [], { at }), facts({ pull: pull({ headSeenAt }), ...over }));

  test("counts when it was recorded a minute before the comment, not a millisecond later", () => {
    expect(seen(at - 60_000)).toBe("act");
    expect(seen(at - 59_999)).toBe("ask-for-sha");
    expect(seen(at + 1)).toBe("ask-for-sha");
    expect(seen(null)).toBe("ask-for-sha");
  });

  test("counts for people with write, on a branch of the repository", () => {
    const lax = policy({ build: { permission: "triage" } });
    expect(seen(0, { role: "triage", ...lax })).toBe("ask-for-sha");
    expect(seen(0, { role: "write", ...lax })).toBe("act");
    const fork = pull({ fork: true, headSeenAt: 0, approved: HEAD });
    expect(judged(asked("build", [], { at }), facts({ pull: fork }))).toBe("ask-for-sha");
    expect(judged(asked("build", [HEAD], { at }), facts({ pull: fork }))).toBe("act");
  });

  test("is asked for by the very command, with the SHA", () => {
    const command = { name: "test" as const, arguments: ["boot"], flags: ["again"] };
    const one = judge({ ...asked("test"), command }, facts({ pull: pull({ headSeenAt: null }) }));
    expect(one).toMatchObject({ kind: "ask-for-sha", command: `/test --again boot ${HEAD}` });
  });

  test("a push between the first judgement and the effect is noticed by the second", () => {
    const comment = asked("build", [], { at });
    const before = facts({ pull: pull({ headSeenAt: at - 60_000 }) });
    expect(judge(comment, before)).toMatchObject({ kind: "act", sha: HEAD });
    // The head was replaced, and put back: it is not the one that was seen, as far as anybody can tell.
    for (const head of [OLD, HEAD]) {
      const after = facts({ pull: pull({ head, headSeenAt: at + 1_000 }) });
      expect(judged(comment, after)).toBe("ask-for-sha");
    }
    expect(judged(asked("build", [HEAD], { at }), facts({ pull: pull({ head: OLD }) }))).toBe(
      "head-moved",
    );
  });

  test("a button without its SHA, or with another than the command's, does nothing", () => {
    const button = (sha: string | null, values: string[] = []) =>
      judged(asked("retry", values, { via: "button", comment: null, sha }), facts());
    expect(button(null)).toBe("ask-for-sha");
    expect(button(OLD, ["failed", HEAD])).toBe("head-moved");
    expect(button(HEAD, ["failed", OLD])).toBe("head-moved");
    expect(button(HEAD, ["all"])).toBe("act");
  });
});

describe("the default branch, named in full at a pull request", () => {
  const MAIN = "d".repeat(40);
  const maintains = { role: "maintain", branch: MAIN };

  test("is what is meant, whatever the pull request is", () => {
    const deploy = asked("deploy", ["web1", MAIN]);
    for (const over of [
      {},
      { state: "closed" as const },
      { fork: true },
      { head: OLD, headSeenAt: null },
    ])
      expect(
        judge(deploy, facts({ ...maintains, runs: [finished("failure")], pull: pull(over) })),
      ).toMatchObject({ kind: "act", sha: MAIN });
    expect(judged(asked("plan", [MAIN]), facts(maintains))).toBe("act");
  });

  test("is for who may, and not where approvals are asked for or the machine is kept", () => {
    const deploy = asked("deploy", ["web1", MAIN]);
    expect(judged(deploy, facts({ ...maintains, role: "write" }))).toBe("permission");
    expect(judged(deploy, facts({ ...maintains, ...policy({ deploy: { approvals: 1 } }) }))).toBe(
      "approval",
    );
    const lock = { machine: "web1", by: "ada", pull: 7, reason: null };
    expect(judged(deploy, facts({ ...maintains, locks: [lock] }))).toBe("locked");
  });

  test("that moved on, is not known, or is named to another command or by a button, is not meant", () => {
    const deploy = asked("deploy", ["web1", MAIN]);
    expect(judged(deploy, facts({ ...maintains, branch: OLD }))).toBe("head-moved");
    expect(judged(deploy, facts({ ...maintains, branch: null }))).toBe("head-moved");
    expect(judged(asked("build", ["a", MAIN]), facts(maintains))).toBe("head-moved");
    const button = asked("deploy", ["web1", MAIN], { via: "button", comment: null, sha: MAIN });
    expect(judged(button, facts(maintains))).toBe("head-moved");
  });
});

describe("roles", () => {
  test("the built-in ones are in their order; a custom one is read, or write where it is listed", () => {
    const ranks = [null, "", "none", "read", "triage", "write", "maintain", "admin"].map((role) =>
      rankOf(role, ["none", "read", "admin"]),
    );
    expect(ranks).toEqual([-1, -1, -1, 0, 1, 2, 3, 4]);
    expect(rankOf("release-manager", [])).toBe(0);
    expect(rankOf("release-manager", ["release-manager"])).toBe(2);
    expect(rankOf("Admin", [])).toBe(0);
  });

  test("a listed custom role gives what is for write, and no more", () => {
    const custom = { role: "release-manager", ...policy({}, ["release-manager"]) };
    expect(judged(asked("build"), facts(custom))).toBe("act");
    expect(judged(asked("deploy", ["machine1"]), facts(custom))).toBe("permission");
    expect(judged(asked("build"), facts({ ...custom, ...policy({}) }))).toBe("permission");
    expect(judged(asked("status"), facts({ ...custom, ...policy({}) }))).toBe("act");
  });

  test("what a flag deletes is for admins, or for whom the configuration names, beside the command's own", () => {
    const pruning = (over: Partial<Facts>) => {
      const { command, ...rest } = asked("deploy", ["cluster"]);
      return judged({ ...rest, command: { ...command, flags: ["prune"] } }, facts(over));
    };
    const by = (prune: object, writers: string[] = []) => ({
      policy: { writers, commands: {}, flags: { prune } },
    });
    expect(pruning({ role: "maintain" })).toBe("permission");
    expect(pruning({ role: "admin" })).toBe("act");
    expect(pruning({ role: "maintain", ...by({ permission: "maintain" }) })).toBe("act");
    // The flag's word lets nobody give the command.
    expect(pruning({ role: "write", ...by({ permission: "write" }) })).toBe("permission");
    const team = by({ teams: ["cluster"] });
    expect(pruning({ role: "maintain", ...team })).toBe("permission");
    expect(pruning({ role: "admin", ...team })).toBe("permission");
    expect(pruning({ role: "maintain", teams: ["cluster"], ...team })).toBe("act");
    expect(teamsNamed(team.policy, ["deploy"])).toEqual(["cluster"]);
    expect(teamsNamed(team.policy, ["build"])).toEqual([]);
  });

  test("the configuration lowers nothing below what the registry allows, for teams either", () => {
    const everybody = COMMANDS.map((name) => [name, { permission: "read", teams: ["all"] }]);
    const lax = policy(Object.fromEntries(everybody) as CommandPolicy["commands"]);
    const may = (role: string) =>
      COMMANDS.filter(
        (name) =>
          judged(asked(name, [HEAD]), facts({ role, teams: ["all"], ...lax })) !== "permission",
      );
    expect(requiredFor(declarationOf("build"), lax.policy)).toMatchObject({ role: "triage" });
    expect(may("none")).toEqual([]);
    expect(may("read")).toEqual(["help", "status"]);
    expect(may("triage").toSorted()).toEqual(
      ["build", "cancel", "help", "plan", "retry", "status", "test"].toSorted(),
    );
  });

  test("teams alone are for their members only; of another team it is none", () => {
    const teams = policy({ "ok-to-test": { teams: ["ops", "release"] } });
    const by = (role: string, ...of: string[]) =>
      judged(asked("ok-to-test", [HEAD]), facts({ role, teams: of, ...teams }));
    expect([by("write", "release"), by("admin"), by("write", "dev")]).toEqual([
      "act",
      "permission",
      "permission",
    ]);
    expect(teamsNamed(teams.policy)).toEqual(["ops", "release"]);
    expect(teamsNamed(teams.policy, ["build"])).toEqual([]);
  });

  test("a program gives no commands, whatever its role", () => {
    for (const type of ["Bot", "Organization", "Mannequin", ""])
      for (const name of COMMANDS)
        expect(
          judged(asked(name, [HEAD], { by: { ...bob, type } }), facts({ role: "admin" })),
        ).toBe("origin");
  });
});

describe("policy.deploy", () => {
  const rule = (name: CommandName, ...from: Parameters<typeof commandsOf>) =>
    commandsOf(...from)[name];
  test("holds for what changes machines, where a command has nothing of its own", () => {
    const deploy = { permission: "admin", approvals: 2 } as const;
    expect(commandsOf({}, deploy)).toEqual({
      deploy: { permission: "admin", approvals: 2 },
      confirm: { permission: "admin", approvals: 2 },
      rollback: { permission: "admin" },
    });
    expect(rule("deploy", { deploy: { teams: ["ops"] } }, deploy)).toEqual({
      teams: ["ops"],
      approvals: 2,
    });
    expect(rule("deploy", {}, { approvals: 1 })).toEqual({ approvals: 1 });
    expect(commandsOf()).toEqual({});
  });

  test("approvals are of the very head, by others, each once", () => {
    const wanting = (approvals: number, given: Facts["approvals"], over: Partial<Facts> = {}) =>
      judged(
        asked("deploy", ["machine1"]),
        facts({
          role: "maintain",
          ...policy({ deploy: { approvals } }),
          approvals: given,
          pull: pull({ author: "ada", sender: eve }),
          ...over,
        }),
      );
    const carol = { login: "carol", id: 6, type: "User" };
    const of = (sha: string, ...by: (typeof bob)[]) => by.map((one) => ({ by: one, sha }));
    expect(wanting(0, [])).toBe("act");
    expect(wanting(1, [])).toBe("approval");
    expect(wanting(1, of(OLD, bob))).toBe("approval");
    expect(wanting(1, of(HEAD, ada))).toBe("approval");
    expect(wanting(1, of(HEAD, { ...ada, id: 99, login: "ADA" }))).toBe("approval");
    expect(wanting(1, of(HEAD, eve))).toBe("approval");
    expect(wanting(1, of(HEAD, { ...bob, type: "Bot" }))).toBe("approval");
    expect(wanting(1, of(HEAD, bob))).toBe("act");
    expect(wanting(2, of(HEAD, bob, { ...bob, login: "bob-renamed" }))).toBe("approval");
    expect(wanting(2, of(HEAD, bob, carol))).toBe("act");
  });

  test("nobody approves what is theirs, and nobody twice", () => {
    const by = (who: typeof bob, over: Partial<Facts> = {}) =>
      judged(
        asked("approve", [HEAD], { by: who }),
        facts({ pull: pull({ sender: eve }), ...over }),
      );
    expect([by(ada), by(eve), by(bob)]).toEqual(["approval", "approval", "act"]);
    expect(by({ ...bob, login: "Ada" })).toBe("approval");
    expect(by({ ...eve, login: "eve-renamed" })).toBe("approval");
    expect(by(bob, { approvals: [{ by: { ...bob, id: 6 }, sha: HEAD }] })).toBe("act");
    expect(by(bob, { approvals: [{ by: bob, sha: HEAD }] })).toBe("nothing-to-do");
    expect(by(bob, { approvals: [{ by: bob, sha: OLD }] })).toBe("act");
  });
});

describe("what must hold of the head", () => {
  test("its newest run that still counts has succeeded", () => {
    const deploy = (runs: Facts["runs"]) =>
      judged(asked("deploy", ["machine1"]), facts({ role: "maintain", runs }));
    expect(deploy([])).toBe("checks");
    expect(deploy([active(2), finished("success", 1)])).toBe("checks");
    expect(deploy([{ ...active(2), conclusion: "success" }])).toBe("checks");
    for (const conclusion of ["failure", "neutral", "skipped", "cancelled", "action_required"])
      expect(deploy([finished(conclusion)])).toBe("checks");
    expect(deploy([{ ...finished("success"), state: "superseded" }])).toBe("checks");
    expect(deploy([{ ...finished("failure", 2), state: "superseded" }, finished("success")])).toBe(
      "act",
    );
  });

  test("of a fork it is the very head that was approved", () => {
    const build = (approved: string | null) =>
      judged(asked("build", [HEAD]), facts({ pull: pull({ fork: true, approved }) }));
    expect([build(null), build(OLD), build(HEAD)]).toEqual(["approval", "approval", "act"]);
  });

  test("a lock stops others, a hold everybody; tags and globs meet it too", () => {
    const lock = (of: number | null) => [{ machine: "web1", by: "carol", pull: of, reason: null }];
    const with_ = (
      name: CommandName,
      values: string[],
      of: number | null,
      over: Partial<Asked> = {},
    ) => judged(asked(name, values, over), facts({ role: "maintain", locks: lock(of) }));
    expect(with_("deploy", ["web1"], 8)).toBe("locked");
    expect(with_("deploy", ["web*"], 8)).toBe("locked");
    expect(with_("deploy", ["web2"], 8)).toBe("act");
    expect(with_("deploy", ["web1"], 7)).toBe("act");
    expect(with_("deploy", ["web1"], null)).toBe("locked");
    expect(with_("rollback", ["web1", "3"], null)).toBe("locked");
    expect(with_("lock", ["web1"], 8)).toBe("locked");
    // A reason that names a machine is not that machine.
    expect(with_("lock", ["web2", "web1"], 8)).toBe("act");
    expect(with_("unlock", ["web1"], 8)).toBe("act");
    expect(judged(asked("unlock", ["web1"]), facts({ locks: lock(8) }))).toBe("locked");
    const carol = { by: { login: "Carol", id: 6, type: "User" } };
    expect(judged(asked("unlock", ["web1"], carol), facts({ locks: lock(8) }))).toBe("act");
  });
});

describe("nothing to do", () => {
  test.each<[CommandName, string[], Partial<Facts>, string]>([
    ["cancel", [], { runs: [] }, "nothing-to-do"],
    ["cancel", ["2"], { runs: [active(2)] }, "act"],
    ["cancel", ["3"], { runs: [active(2)] }, "nothing-to-do"],
    ["cancel", ["1"], { runs: [active(2), finished("failure", 1)] }, "nothing-to-do"],
    ["cancel", ["build"], { runs: [active(2)] }, "act"],
    ["cancel", ["build"], { runs: [finished("success")] }, "nothing-to-do"],
    ["retry", [], { runs: [] }, "nothing-to-do"],
    ["retry", ["all"], { runs: [finished("success")] }, "act"],
    ["retry", ["all"], { runs: [active()] }, "nothing-to-do"],
    ["retry", ["failed"], { runs: [finished("failure")] }, "act"],
    ["retry", ["checks.x86_64-linux.a"], { runs: [finished("success")] }, "act"],
    ["ok-to-test", [HEAD], { pull: pull({ approved: HEAD }) }, "nothing-to-do"],
    ["ok-to-test", [HEAD], { pull: pull({ approved: OLD }) }, "act"],
  ])("%s %j with %o: %s", (name, values, over, wanted) => {
    expect(judged(asked(name, values), facts(over))).toBe(wanted);
  });
});

test("outside of a pull request there are few commands", () => {
  const there = COMMANDS.map((name) => [
    name,
    judged(asked(name, [HEAD]), facts({ role: "admin", pull: null })),
  ]);
  expect(there.filter(([, what]) => what !== "not-a-pull-request")).toEqual([
    ["help", "act"],
    ["rollback", "act"],
    ["unlock", "nothing-to-do"],
    ["hold", "act"],
    ["bump", "not-available"],
  ]);
});
