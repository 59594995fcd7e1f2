import { code } from "../report/escape.ts";
import type { Command, CommandName, Facts, MachineLock } from "./command.ts";
import type { Bound } from "./bind.ts";
import type { Declaration } from "./declaration.ts";
import type { Person, Required } from "./permission.ts";

/** What a refusal says: what is missing, and what to do about it. Markdown, with all that was typed shown as code. */

export function notAPerson(): string {
  return "Commands are taken from people only, not from Apps and other programs.";
}

/** @param name of the command, with the flag that it is about. */
export function permission(name: string, { role, teams, least }: Required, person: Person): string {
  const named = teams.map((team) => code(team, 100));
  const team = `a member of ${named.length === 1 ? "the team" : "one of the teams"} ${listed(named)} with at least ${code(least)}`;
  const wanted =
    role === null
      ? named.length === 0
        ? "nobody: the configuration names no team"
        : team
      : `somebody with at least ${code(role)}${named.length === 0 ? "" : `, or ${team}`}`;
  const is =
    person.role === null || person.role === ""
      ? "no role that GitHub could confirm"
      : `the role ${code(person.role, 100)}`;
  return `${code(`/${name}`)} is for ${wanted}. You have ${is} in this repository.`;
}

export function notAPull(name: CommandName): string {
  return `${code(`/${name}`)} is about a pull request, and this is none that Snowcat knows of.`;
}

export function closed(name: CommandName): string {
  return `The pull request is closed. ${code(`/${name}`)} works while it is open.`;
}

export function fork(name: CommandName): string {
  return name === "approve"
    ? `The head is a fork's, and a fork's commit is never deployed, so there is nothing to approve. ${code("/ok-to-test")} lets it run.`
    : "The head is a fork's, and a fork's commit is never deployed. Bring it to a branch of this repository first.";
}

export function headMoved(command: Command, named: string, head: string): string {
  return `The command is about ${code(named)}, and the head is ${code(head)} now. Look at what changed; the command can be given again for the new head, as ${code(`/${command.name}`)} with that SHA.`;
}

export function unnamed(because: Extract<Bound, { kind: "unnamed" }>["because"]): string {
  switch (because) {
    case "fork":
      return "For a fork the commit must be named, because it could be replaced while the comment is on its way.";
    case "not-a-writer":
      return "Without write in this repository the commit must be named.";
    case "new":
      return "The head came less than a minute before the comment, or it is not known when, so it may not be the one you saw. Look at it and name the commit.";
  }
}

export function forkNotApproved(head: string): string {
  return `This commit of a fork has not been approved. Review it; then somebody with write comments ${code(`/ok-to-test ${head}`)}.`;
}

export function own(what: "author" | "pusher"): string {
  return what === "author"
    ? "The pull request is yours: somebody else must approve it."
    : "You pushed this head: somebody else must approve it.";
}

export function approvals(given: readonly string[], wanted: number, head: string): string {
  const have =
    given.length === 0
      ? "there are none"
      : `there is that of ${listed(given.map((by) => code(by)))}`;
  return `It needs ${wanted === 1 ? "the approval of one person" : `the approvals of ${wanted} people`} who neither wrote nor pushed this head, and ${have}. They give it by ${code(`/approve ${head}`)}.`;
}

export function branchNotApproved(): string {
  return `The policy asks for approvals of what is deployed; they are given to a pull request's head, and this is the default branch's. A rollout with ${code("on: push")} deploys that.`;
}

export function checks(newest: Facts["runs"][number] | null): string {
  if (newest === null) return "No run has judged this head yet.";
  return newest.state === "active"
    ? `Run ${newest.n} of this head still goes on. Give the command again when it has succeeded.`
    : `Run ${newest.n} of this head ended with ${code(newest.conclusion ?? "nothing", 40)}; it must have succeeded.`;
}

export function locked(lock: MachineLock, means: Declaration["locks"]): string {
  const where =
    lock.pull === null
      ? "held"
      : lock.foreign === true
        ? "locked for a pull request of another repository"
        : `locked for #${lock.pull}`;
  const reason = lock.reason === null ? "" : `: ${code(lock.reason)}`;
  const advice =
    means === "releases"
      ? "They, or somebody with `maintain`, can let go of it."
      : `${code(`/unlock ${lock.machine}`)} lets go of it.`;
  return `${code(lock.machine)} is ${where} by ${code(lock.by)}${reason}. ${advice}`;
}

export function notAvailable({ name }: Declaration, missing: string): string {
  return `${code(`/${name}`)} is not there yet: ${missing}.`;
}

function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
}
