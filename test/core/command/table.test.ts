import { expect, test } from "vitest";
import { commandOfButton } from "../../../src/core/command/button.ts";
import {
  type Asked,
  type CommandName,
  type CommandPolicy,
  COMMANDS,
  type Facts,
} from "../../../src/core/command/command.ts";
import { judge } from "../../../src/core/command/judge.ts";
import { readCommands } from "../../../src/core/command/read.ts";
import { declarations } from "../../../src/core/command/registry.ts";
import { active, ada, asked, bob, eve, facts, finished, HEAD, NOW, OLD, pull } from "./facts.ts";
import {
  COMMAND_FORMS,
  expected,
  ORIGINS,
  PERMISSIONS,
  POLICIES,
  type PolicyName,
  type Row,
  STATES,
} from "./table.ts";

/** What each command is given, but for the SHA. */
const TYPED: Record<CommandName, string> = {
  help: "/help",
  build: "/build packages.x86_64-linux.app",
  test: "/test boot",
  plan: "/plan machine1",
  deploy: "/deploy machine1",
  confirm: "/confirm",
  rollback: "/rollback machine1",
  lock: "/lock machine1 because",
  unlock: "/unlock machine1",
  hold: "/hold machine1 because",
  status: "/status",
  cancel: "/cancel",
  retry: "/retry",
  "ok-to-test": "/ok-to-test",
  bump: "/bump inventree",
  approve: "/approve",
};

function askedBy({ name, form, origin, state }: Row): Asked {
  const by = {
    owner: bob,
    member: ada,
    "fork author": eve,
    "owner on a fork": bob,
    bot: { login: "renovate[bot]", id: 9, type: "Bot" },
  }[origin];
  // Whoever speaks means the commit that they saw.
  const sha = state === "head moved" ? OLD : HEAD;
  const over = { by, sha: form === "button" ? sha : null };
  if (form === "button") {
    const identifier = declarations().find((of) => of.name === name)?.button?.identifier ?? "";
    const command = commandOfButton(identifier, sha);
    if (command?.name !== name) throw new Error(`no button for ${name}`);
    return { ...asked(name, [], { ...over, via: "button", comment: null }), command };
  }
  const typed = form === "sha" ? `${TYPED[name]} ${sha}` : TYPED[name];
  const [line] = readCommands(typed).lines;
  if (line?.kind !== "command") throw new Error(`${typed}: ${JSON.stringify(line)}`);
  return { ...asked(name, [], over), command: line.command };
}

function factsOf({ permission, origin, state, policy }: Row): Facts {
  const fork = origin === "fork author" || origin === "owner on a fork";
  const author = fork ? eve : ada;
  const moved = state === "head moved";
  const approved = fork && state !== "unapproved" ? (moved ? OLD : HEAD) : null;
  return facts({
    role: permission === "team" ? "write" : permission,
    teams: permission === "team" ? ["ops"] : [],
    policy: policyOf(policy),
    pull: pull({
      fork,
      author: author.login,
      sender: author,
      approved,
      approvedBy: approved === null ? null : "bob",
      state: state === "closed" ? "closed" : "open",
      headSeenAt: moved ? NOW - 4_000 : NOW - 3_600_000,
    }),
    runs:
      moved || state === "running"
        ? [active(2), finished("success", 1)]
        : [finished(state === "checks red" ? "failure" : "success")],
    locks:
      state === "locked" ? [{ machine: "machine1", by: "carol", pull: 8, reason: "moving" }] : [],
  });
}

function policyOf(name: PolicyName): CommandPolicy {
  const rules = {
    usual: null,
    admin: { permission: "admin" },
    read: { permission: "read" },
    teams: { teams: ["ops"] },
    "admin or teams": { permission: "admin", teams: ["ops"] },
  } as const satisfies Record<PolicyName, CommandPolicy["commands"]["help"] | null>;
  const rule = rules[name];
  return {
    writers: [],
    commands: rule === null ? {} : Object.fromEntries(COMMANDS.map((command) => [command, rule])),
  };
}

test("every command × form × permission × origin × state × policy ends as the table says", () => {
  const wrong: string[] = [];
  const seen = new Set<string>();
  const outcomes = new Map<string, number>();
  for (const { name, form } of COMMAND_FORMS)
    for (const permission of PERMISSIONS)
      for (const origin of ORIGINS)
        for (const state of STATES)
          for (const policy of POLICIES) {
            const row: Row = { name, form, permission, origin, state, policy };
            const what = Object.values(row).join(" · ");
            seen.add(what);
            const judged = judge(askedBy(row), factsOf(row));
            const actual = judged.kind === "refuse" ? judged.code : judged.kind;
            outcomes.set(actual, (outcomes.get(actual) ?? 0) + 1);
            if (actual !== expected(row)) wrong.push(`${what}: ${actual}, not ${expected(row)}`);
            if (judged.kind === "act" && judged.sha !== null && judged.sha !== HEAD)
              wrong.push(`${what}: on ${judged.sha}`);
            if (judged.kind !== "act" && judged.why.length < 10) wrong.push(`${what}: without why`);
            // Whoever may not is told so, and nothing of the pull request.
            if (actual === "permission" && JSON.stringify(judged).includes(HEAD))
              wrong.push(`${what}: tells the head`);
          }
  const counts = [...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(", ");
  console.log(`${seen.size} rows: ${counts}`);
  expect(wrong).toEqual([]);
  expect(seen.size).toBe(
    26 * PERMISSIONS.length * ORIGINS.length * STATES.length * POLICIES.length,
  );
});

test("no command and no way to give it is missing from the table", () => {
  const there = COMMAND_FORMS.map(({ name, form }) => `${name} ${form}`);
  const ways = declarations().flatMap(({ name, binding, button }) => [
    ...(binding === "named" ? [] : [`${name} plain`]),
    ...(binding === "none" ? [] : [`${name} sha`]),
    ...(button === null ? [] : [`${name} button`]),
  ]);
  expect(there.toSorted()).toEqual(ways.toSorted());
  expect(new Set(COMMAND_FORMS.map(({ name }) => name))).toEqual(new Set(COMMANDS));
});
