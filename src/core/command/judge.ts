import type { Asked, Facts, Judgement, RefusalCode } from "./command.ts";
import { bind, branchNamed } from "./bind.ts";
import type { Declaration } from "./declaration.ts";
import { isNeedless } from "./needless.ts";
import { may, requiredFor, requiredForFlag } from "./permission.ts";
import { printCommand } from "./read.ts";
import { declarationOf } from "./registry.ts";
import { lockInTheWay } from "./locks.ts";
import * as why from "./why.ts";

type Refusal = Extract<Judgement, { kind: "refuse" }>;
type Pull = NonNullable<Facts["pull"]>;

/**
 * What becomes of a command, by what holds now. Asked again just before the effect, with facts read anew, it must say the
 * same.
 *
 * The order is that of the questions "who", "where", "which commit", "is it allowed there", "can it be done": nobody
 * learns of a repository's state from a command that they may not give.
 */
export function judge(asked: Asked, facts: Facts): Judgement {
  const declaration = declarationOf(asked.command.name);
  const person = refuseOfPerson(asked, declaration, facts);
  if (person !== null) return person;
  const { pull } = facts;
  // What a pull request must be and have is not asked of one that it is not about.
  let sha = pull === null ? null : branchNamed(asked, declaration, facts);
  const place = sha === null ? refuseOfPlace(declaration, pull) : null;
  if (place !== null) return place;
  if (pull !== null && sha === null) {
    const bound = bind(asked, declaration, facts, pull);
    if (bound.kind === "moved")
      return refuse("head-moved", why.headMoved(asked.command, bound.named, pull.head));
    if (bound.kind === "unnamed") {
      const command = printCommand(withSha(asked, pull.head));
      return { kind: "ask-for-sha", command, why: why.unnamed(bound.because) };
    }
    sha = bound.sha;
    const head = refuseOfHead(asked, declaration, facts, pull);
    if (head !== null) return head;
  }
  const branch = pull !== null && sha !== null && sha !== pull.head;
  // Approvals are of a pull request's head, and the branch has none: what asks for them is rolled out on push.
  if (
    branch &&
    declaration.approvals &&
    (facts.policy.commands[asked.command.name]?.approvals ?? 0) > 0
  )
    return refuse("approval", why.branchNotApproved());
  // What the pull request locked, it locked for itself.
  const lock = lockInTheWay(declaration, branch ? { ...asked, pull: 0 } : asked, facts);
  if (lock !== null) return refuse("locked", why.locked(lock, declaration.locks));
  if (declaration.missing !== null)
    return refuse("not-available", why.notAvailable(declaration, declaration.missing));
  const needless = isNeedless(asked, facts);
  if (needless !== null) return refuse("nothing-to-do", needless);
  return { kind: "act", command: asked.command, sha };
}

function refuseOfPerson(asked: Asked, declaration: Declaration, facts: Facts): Refusal | null {
  // GitHub marks what an App or another program says. `User` is the only kind that is a person.
  if (asked.by.type !== "User") return refuse("origin", why.notAPerson());
  const { writers } = facts.policy;
  const required = requiredFor(declaration, facts.policy);
  if (!may(facts, required, writers))
    return refuse("permission", why.permission(declaration.name, required, facts));
  for (const flag of declaration.flags.filter(({ name }) => asked.command.flags.includes(name))) {
    const more = requiredForFlag(flag, facts.policy);
    if (more !== null && !may(facts, more, writers))
      return refuse(
        "permission",
        why.permission(`${declaration.name} --${flag.name}`, more, facts),
      );
  }
  return null;
}

function refuseOfPlace(declaration: Declaration, pull: Facts["pull"]): Refusal | null {
  const { where, name } = declaration;
  if (where === "anywhere") return null;
  if (pull === null) return refuse("not-a-pull-request", why.notAPull(name));
  if (pull.state === "closed" && where !== "pull-request")
    return refuse("closed", why.closed(name));
  return pull.fork && declaration.forks === "refused" ? refuse("origin", why.fork(name)) : null;
}

/** What must hold of the commit that the command is about. */
function refuseOfHead(
  asked: Asked,
  declaration: Declaration,
  facts: Facts,
  pull: Pull,
): Refusal | null {
  if (pull.fork && declaration.forks === "approved-head" && pull.approved !== pull.head)
    return refuse("approval", why.forkNotApproved(pull.head));
  if (declaration.byOthers) {
    const own = ownOf(pull, asked.by);
    if (own !== null) return refuse("approval", why.own(own));
  }
  if (declaration.checks === "success") {
    const newest = facts.runs.find(({ state }) => state !== "superseded");
    if (newest?.conclusion !== "success" || newest.state !== "finished")
      return refuse("checks", why.checks(newest ?? null));
  }
  const wanted = declaration.approvals
    ? (facts.policy.commands[declaration.name]?.approvals ?? 0)
    : 0;
  const given = approversOf(facts, pull);
  return given.length < wanted ? refuse("approval", why.approvals(given, wanted, pull.head)) : null;
}

/** Logins of those who approved the head as it stands and neither wrote nor pushed it. */
function approversOf({ approvals }: Facts, pull: Pull): string[] {
  const valid = approvals.filter(
    ({ by, sha }) => sha === pull.head && by.type === "User" && ownOf(pull, by) === null,
  );
  return [...new Map(valid.map(({ by }) => [by.id, by.login])).values()];
}

/** What makes the commit somebody's own. An author is known by login only, and logins ignore case. */
function ownOf(pull: Pull, by: Asked["by"]): "author" | "pusher" | null {
  const same = (login: string) => login.toLowerCase() === by.login.toLowerCase();
  if (same(pull.author)) return "author";
  return pull.sender.id === by.id || same(pull.sender.login) ? "pusher" : null;
}

function withSha({ command }: Asked, sha: string) {
  return { ...command, arguments: [...command.arguments, sha] };
}

function refuse(code: RefusalCode, text: string): Refusal {
  return { kind: "refuse", code, why: text };
}
