import type { Command, KnownTarget } from "../command/command.ts";
import { code } from "../report/escape.ts";
import type { Acting } from "./act.ts";
import { done, refused } from "./outcome.ts";
import type { DeployReason } from "./request.ts";
import type { CommandOutcome } from "./rows.ts";

/** What commands about machines do: they start runs, or tell what the machine's own object said. */
export function actOnMachines(acting: Acting, { name, flags }: Command): CommandOutcome {
  const { values, facts } = acting;
  const known = facts.machines ?? [];
  if (name === "confirm") return confirm(acting);
  if (known.length === 0)
    return refused(
      "nothing-to-do",
      "No deploy runner's own policy names a machine for this repository.",
    );
  const [first = ""] = values;
  switch (name) {
    case "plan":
    case "deploy": {
      // What tags and roles mean the commit's evaluation says.
      const lost = values.filter((one) => isName(one) && !isKnown(known, one));
      if (lost.length > 0) return unknown(lost, known);
      const force = flags.includes("force");
      const prune = flags.includes("prune") ? { prune: true } : {};
      return begin(acting, { kind: name, targets: [...values], force, ...prune });
    }
    case "rollback": {
      if (!isKnown(known, first)) return unknown([first], known);
      const [, named] = values;
      const generation = named === undefined ? null : named === "last-good" ? named : Number(named);
      return begin(acting, { kind: "rollback", machine: first, generation });
    }
    case "lock":
    case "unlock":
    case "hold":
      if (!isKnown(known, first)) return unknown([first], known);
      return said(acting, name, first);
    default:
      throw new Error(`/${name} is not about machines`);
  }
}

function begin(acting: Acting, what: DeployReason["what"]): CommandOutcome {
  const { plan, pull, by, key, link } = acting;
  const about = branchOf(acting) ?? {
    head: pull.head,
    ref: `refs/heads/${pull.headRef}`,
    pull: pull.number,
  };
  const n = plan.deploy({ kind: "deploy", ...about, key, what }, by);
  const words = {
    plan: "plans it",
    deploy: "deploys it",
    rollback: "takes it back",
    observe: "looks",
  };
  return done(`${link(n)} ${words[what.kind]}.`);
}

/** The default branch, where the command names its head: then it is not about the pull request. */
function branchOf({ branch }: Acting): Pick<DeployReason, "head" | "ref" | "pull"> | null {
  return branch === null ? null : { ...branch, pull: null };
}

/** By whoever asked for it: who else may is not who looked at the plan. */
function confirm({ plan, facts, by, link }: Acting): CommandOutcome {
  const waiting = (facts.deploys ?? []).filter(({ what }) => what === "deploy");
  const own = waiting.find((one) => one.by.id === by.id);
  if (own === undefined)
    return refused(
      "nothing-to-do",
      waiting.length === 0
        ? "No deploy of this head goes on."
        : `Only whoever asked for it confirms it: ${waiting.map((one) => code(one.by.login, 60)).join(", ")}.`,
    );
  plan.decision.effects.push({ kind: "confirm", n: own.n, by: by.id });
  return done(`${link(own.n)} was told.`);
}

function said(acting: Acting, name: "lock" | "unlock" | "hold", machine: string): CommandOutcome {
  const { said: word } = acting;
  if (word === undefined)
    throw new Error(`/${name} was judged allowed and its machine was not asked`);
  if (word !== null) return refused("locked", word);
  const words = { lock: "is locked for this pull request", unlock: "is free", hold: "is held" };
  return done(`${code(machine)} ${words[name]}.`);
}

function isName(pattern: string): boolean {
  return !/^(?:tag|role):|[*?]/u.test(pattern);
}

function isKnown(known: readonly KnownTarget[], name: string): boolean {
  return known.some((one) => one.name === name);
}

function unknown(names: readonly string[], known: readonly KnownTarget[]): CommandOutcome {
  const listed = [...new Set(known.map(({ name }) => name))].slice(0, 30);
  return refused(
    "nothing-to-do",
    `No deploy runner's own policy names ${names.map((one) => code(one)).join(", ")} for this repository. It names ${listed.map((one) => code(one)).join(", ")}.`,
  );
}
