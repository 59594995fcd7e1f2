import type { CommandName, RefusalCode, Role } from "../../../src/core/command/command.ts";

/**
 * What must become of every command, written down by hand: the rules that a reviewer reads. Nothing here comes from the
 * code that is judged by it.
 */

export const PERMISSIONS = [
  "none",
  "read",
  "triage",
  "write",
  "maintain",
  "admin",
  "team",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Who speaks: on somebody's branch, on their own, on their own fork, on somebody's fork, a program. */
export const ORIGINS = ["owner", "member", "fork author", "owner on a fork", "bot"] as const;
export type Origin = (typeof ORIGINS)[number];

export const STATES = [
  /** Recorded an hour ago, its run succeeded; a fork's head is approved. */
  "open",
  /** The head was replaced after the comment was begun, and its run goes on. */
  "head moved",
  "checks red",
  /** The machine is locked for another pull request. */
  "locked",
  "closed",
  /** As open, and nobody approved the head to run. */
  "unapproved",
  "running",
] as const;
export type State = (typeof STATES)[number];

/** As typed without a SHA, with one, or by the button of a check (which carries one). */
export const FORMS = ["plain", "sha", "button"] as const;
export type Form = (typeof FORMS)[number];

/** What the default branch's configuration says about every command at once. */
export const POLICIES = ["usual", "admin", "read", "teams", "admin or teams"] as const;
export type PolicyName = (typeof POLICIES)[number];

export type Outcome = "act" | "ask-for-sha" | RefusalCode;

/** Who may where nothing is said, and what the configuration can lower that to. */
const FROM: Record<CommandName, { usual: Role; least: Role }> = {
  help: { usual: "read", least: "read" },
  status: { usual: "read", least: "read" },
  build: { usual: "write", least: "triage" },
  test: { usual: "write", least: "triage" },
  plan: { usual: "write", least: "triage" },
  cancel: { usual: "write", least: "triage" },
  retry: { usual: "write", least: "triage" },
  deploy: { usual: "maintain", least: "write" },
  confirm: { usual: "maintain", least: "write" },
  rollback: { usual: "maintain", least: "write" },
  lock: { usual: "write", least: "write" },
  unlock: { usual: "write", least: "write" },
  hold: { usual: "write", least: "write" },
  "ok-to-test": { usual: "write", least: "write" },
  bump: { usual: "write", least: "write" },
  approve: { usual: "write", least: "write" },
};

const SHORT = {
  act: "act",
  ask: "ask-for-sha",
  moved: "head-moved",
  red: "checks",
  lock: "locked",
  closed: "closed",
  none: "nothing-to-do",
  later: "not-available",
  fork: "origin",
  ok: "approval",
} as const satisfies Record<string, Outcome>;
type Short = keyof typeof SHORT;

/**
 * For somebody who may and can write. On a branch of the repository | on a fork; in the order of STATES:
 * open, head moved, checks red, locked, closed, unapproved, running.
 */
const LINES = `
                    open  moved red   locked closed unappr. running | open  moved red   locked closed unappr. running
help plain:         act   act   act   act    act    act     act     | act   act   act   act    act    act     act
status plain:       act   act   act   act    act    act     act     | act   act   act   act    act    act     act
build plain:        act   ask   act   act    closed act     act     | ask   ask   ask   ask    closed ask     ask
build sha:          act   moved act   act    closed act     act     | act   moved act   act    closed ok      act
test plain:         later ask   later later  closed later   later   | ask   ask   ask   ask    closed ask     ask
test sha:           later moved later later  closed later   later   | later moved later later  closed ok      later
plan plain:         act   ask   act   act    closed act     act     | fork  fork  fork  fork   closed fork    fork
plan sha:           act   moved act   act    closed act     act     | fork  fork  fork  fork   closed fork    fork
deploy plain:       act   ask   red   lock   closed act     red     | fork  fork  fork  fork   closed fork    fork
deploy sha:         act   moved red   lock   closed act     red     | fork  fork  fork  fork   closed fork    fork
confirm plain:      act   ask   red   act    closed act     red     | fork  fork  fork  fork   closed fork    fork
confirm sha:        act   moved red   act    closed act     red     | fork  fork  fork  fork   closed fork    fork
confirm button:     act   moved red   act    closed act     red     | fork  fork  fork  fork   closed fork    fork
rollback plain:     act   act   act   lock   act    act     act     | act   act   act   lock   act    act     act
lock plain:         act   act   act   lock   closed act     act     | act   act   act   lock   closed act     act
unlock plain:       none  none  none  lock   none   none    none    | none  none  none  lock   none   none    none
hold plain:         act   act   act   lock   act    act     act     | act   act   act   lock   act    act     act
cancel plain:       none  act   none  none   none   none    act     | none  act   none  none   none   none    act
cancel button:      none  moved none  none   none   none    act     | none  moved none  none   none   none    act
retry plain:        none  ask   act   none   closed none    none    | ask   ask   ask   ask    closed ask     ask
retry sha:          none  moved act   none   closed none    none    | none  moved act   none   closed ok      none
retry button:       none  moved act   none   closed none    none    | none  moved act   none   closed ok      none
ok-to-test sha:     act   moved act   act    closed act     act     | none  moved none  none   closed act     none
ok-to-test button:  act   moved act   act    closed act     act     | none  moved none  none   closed act     none
bump plain:         later later later later  later  later   later   | later later later later  later  later   later
approve sha:        act   moved act   act    closed act     act     | fork  fork  fork  fork   closed fork    fork
`;

/** Whose pull request it is counts for one command: its author (and pusher) cannot approve, when it is not moot. */
const OWN_APPROVAL: Short[] = ["ok", "moved", "ok", "ok", "closed", "ok", "ok"];

/** What a person with less than maintain cannot do though the table lets them: let go of what somebody else locked. */
const MAINTAIN_LETS_GO = "act";

const TABLE = LINES.trim()
  .split("\n")
  .slice(1)
  .map((line) => {
    const [key = "", cells = ""] = line.split(":");
    const [name, form] = key.split(" ") as [CommandName, Form];
    const [branch = [], fork = []] = cells
      .split("|")
      .map((half) => half.trim().split(/ +/u) as Short[]);
    return { name, form, branch, fork };
  });

export const COMMAND_FORMS = TABLE.map(({ name, form }) => ({ name, form }));

export type Row = {
  name: CommandName;
  form: Form;
  permission: Permission;
  origin: Origin;
  state: State;
  policy: PolicyName;
};

export function expected(row: Row): Outcome {
  if (row.origin === "bot") return "origin";
  if (!allowed(row)) return "permission";
  const onFork = row.origin === "fork author" || row.origin === "owner on a fork";
  const line = TABLE.find(({ name, form }) => name === row.name && form === row.form);
  const own = row.name === "approve" && row.origin === "member";
  const cells = own ? OWN_APPROVAL : onFork ? line?.fork : line?.branch;
  let word = cells?.[STATES.indexOf(row.state)];
  if (word === undefined || !Object.hasOwn(SHORT, word))
    throw new Error(`the table has no word for ${Object.values(row).join(" · ")}`);
  if (row.name === "unlock" && word === "lock" && ["maintain", "admin"].includes(row.permission))
    word = MAINTAIN_LETS_GO;
  // Only of people with write is it assumed that they mean the head as recorded.
  const mustName = row.form === "plain" && MAY_NAME.includes(row.name);
  const settled = ["closed", "fork"].includes(word);
  if (mustName && row.permission === "triage" && !settled) word = "ask";
  return SHORT[word];
}

/** Commands that act on the head when no SHA is named. */
const MAY_NAME: CommandName[] = ["build", "test", "plan", "deploy", "confirm", "retry"];

const RANK: Record<Permission, number> = {
  none: 0,
  read: 1,
  triage: 2,
  write: 3,
  maintain: 4,
  admin: 5,
  /** Somebody with write who is in the team. */
  team: 3,
};

function allowed({ name, permission, policy }: Row): boolean {
  const has = RANK[permission];
  const { usual, least } = FROM[name];
  const inTeam = permission === "team";
  switch (policy) {
    case "usual":
      return has >= RANK[usual];
    case "admin":
      return permission === "admin";
    case "read":
      return has >= RANK[least];
    case "teams":
      return inTeam;
    case "admin or teams":
      return inTeam || permission === "admin";
  }
}
