import type { DeployPolicy } from "../config/machines.ts";
import { code } from "../report/escape.ts";
import { OVERALL } from "../report/names.ts";
import type { DeployMachine } from "./machine.ts";
import { DEPLOY_CHECKS } from "./report.ts";
import { dayOf, inWindow, windowText } from "./window.ts";

/**
 * Whether a deploy may go on, by the default branch's policy and what GitHub and the machines say now. Who may ask and whose
 * approvals count is judged with the command (`core/command`); this is all the rest, for commands and for what begins by
 * itself. Unknown is null, and null is no.
 */

export type DeployQuestion = {
  now: number;
  /** A rollback is exempt from order, windows, freeze, checks and what is stale: it is how people get out. */
  purpose: "deploy" | "rollback";
  sha: string;
  /** Null where the default branch's configuration could not be read. */
  policy: DeployPolicy | null;
  /** The machines that are meant. */
  machines: readonly Pick<DeployMachine, "name" | "hold" | "problems">[];
  /** Every check run of the commit, the newest of each name and App. */
  checks: readonly Check[] | null;
  /** What the branch's protection requires; `app` null takes any. */
  required: readonly { name: string; app: number | null }[] | null;
  /** Our own App: its aggregate is always asked for. */
  ownApp: number;
  /**
   * Of a pull request: whether its head holds its base (its tree is the test merge's). Null: not known. `moved`: the commit is
   * not its head (any more). `not-asked` for a commit that stands on the default branch.
   */
  holdsBase: boolean | null | "moved" | "not-asked";
  /**
   * Of a commit that is no pull request's head: whether it is the default branch's. A fork's never is. `passed`: it is in the
   * branch's history, and the branch has moved on.
   */
  onDefaultBranch: boolean | null | "passed" | "not-asked";
  /** Machines of the same deploy were changed already: what came to the branch since is another one's. */
  goesOn?: boolean;
  /**
   * Machines of earlier stages: the commit that their newest deployment left active; `active` null where it could not be
   * found out or where they have none.
   */
  earlier: readonly { machine: string; active: string | null }[];
};

export type Check = { name: string; app: number | null; conclusion: string | null };

export type Objection = {
  code: "unreadable" | "problem" | "hold" | "freeze" | "window" | "branch" | "checks" | "order";
  /** What is missing and what to do, as Markdown whose quotations are neutralised. */
  why: string;
  /** It passes by itself: checks that are not finished, a window that is not open yet. */
  passes?: true;
};

/** Everything that is in the way, what weighs most first; nothing where the deploy may go on. */
export function objections(question: DeployQuestion): Objection[] {
  const { policy, machines, purpose } = question;
  if (policy === null)
    return [
      {
        code: "unreadable",
        why: "The default branch's configuration could not be read, so nobody can say who may deploy.",
      },
    ];
  const found = machines.flatMap((machine) => ofMachine(machine, purpose));
  if (purpose === "rollback") return found;
  return [
    ...found,
    ...ofTime(policy, question.now),
    ...ofBranch(question),
    ...ofChecks(policy, question),
    ...ofOrder(policy, question),
  ];
}

function ofMachine(
  { name, hold, problems }: DeployQuestion["machines"][number],
  purpose: DeployQuestion["purpose"],
): Objection[] {
  const found: Objection[] = [];
  if (hold !== null)
    found.push({
      code: "hold",
      why: `${code(name)} is held by the configuration: ${code(hold)}.`,
    });
  // A generation that is there already needs no attribute.
  if (purpose === "deploy")
    for (const problem of problems)
      found.push({
        code: "problem",
        why: `${code(name)} cannot be deployed: ${code(problem, 500)}.`,
      });
  return found;
}

function ofTime({ freeze, windows }: DeployPolicy, now: number): Objection[] {
  const found: Objection[] = [];
  const today = dayOf(now);
  if (typeof freeze === "string")
    found.push({ code: "freeze", why: `Deploys are frozen: ${code(freeze)}.` });
  else
    for (const { from, until, reason } of freeze ?? [])
      if (today >= from && today <= until)
        found.push({
          code: "freeze",
          why: `Deploys are frozen from ${from} until ${until}${reason === undefined ? "" : `: ${code(reason)}`}.`,
        });
  if (windows !== undefined && !inWindow(windows, now))
    found.push({
      code: "window",
      why: `Deploys begin only ${windows.map((window) => code(windowText(window))).join(" or ")}.`,
      passes: true,
    });
  return found;
}

function ofBranch({ holdsBase, onDefaultBranch, sha, goesOn }: DeployQuestion): Objection[] {
  const commit = code(sha.slice(0, 10));
  const found: Objection[] = [];
  if (holdsBase === false)
    found.push({
      code: "branch",
      why: `${commit} does not hold its base: what was checked is the merge of both, and not this. Update the branch.`,
    });
  if (holdsBase === "moved")
    found.push({
      code: "branch",
      why: `${commit} is not the pull request's head any more: somebody has pushed since. Ask for the new head.`,
    });
  if (holdsBase === null)
    found.push({
      code: "branch",
      why: `It is not known whether ${commit} holds its base. Try again.`,
    });
  if (onDefaultBranch === false)
    found.push({ code: "branch", why: `${commit} is not on the default branch.` });
  if (onDefaultBranch === "passed" && goesOn !== true)
    found.push({
      code: "branch",
      why: `The default branch has moved on from ${commit}: its head is deployed, and no commit before it.`,
    });
  if (onDefaultBranch === null)
    found.push({
      code: "branch",
      why: `It is not known whether ${commit} is on the default branch.`,
    });
  if (holdsBase === "not-asked" && onDefaultBranch === "not-asked")
    found.push({ code: "branch", why: `Nobody has looked where ${commit} stands.` });
  return found;
}

function ofChecks(policy: DeployPolicy, question: DeployQuestion): Objection[] {
  const { checks, required, ownApp, sha } = question;
  const unreadable = (what: string): Objection[] => [
    { code: "checks", why: `${what} of ${code(sha.slice(0, 10))} could not be read. Try again.` },
  ];
  if (checks === null) return unreadable("The checks");
  const wanted: { name: string; app: number | null }[] = [
    { name: OVERALL, app: ownApp },
    ...(policy.required_checks ?? []),
  ];
  if (policy.checks === "all") {
    for (const { name, app } of checks)
      if (!isDeploys(name, app, ownApp)) wanted.push({ name, app });
  } else if (required === null) return unreadable("What the branch's protection requires");
  else wanted.push(...required);
  const missing = new Map<string, string>();
  let failed = false;
  for (const { name, app } of wanted) {
    const given = checks.filter(
      (check) => check.name === name && (app === null || check.app === app),
    );
    // A check of that name by somebody else stands for nothing; of several, each must have succeeded.
    if (given.length > 0 && given.every(({ conclusion }) => conclusion === "success")) continue;
    const says = given.find(({ conclusion }) => conclusion !== "success");
    failed ||= given.some(({ conclusion }) => conclusion !== "success" && conclusion !== null);
    missing.set(
      `${name} ${app}`,
      `${code(name)}${app === null ? "" : ` of App ${app}`} ${says === undefined ? "is not there" : says.conclusion === null ? "is not finished" : `is ${code(says.conclusion)}`}`,
    );
  }
  return missing.size === 0
    ? []
    : [
        {
          code: "checks",
          why: `It needs checks that succeeded: ${[...missing.values()].join(", ")}.`,
          ...(failed ? {} : { passes: true as const }),
        },
      ];
}

/** What tells of deploys themselves must not keep the next one from being made. */
function isDeploys(name: string, app: number | null, ownApp: number): boolean {
  return app === ownApp && Object.values(DEPLOY_CHECKS).some((own) => own === name);
}

function ofOrder(
  { order = "stages" }: DeployPolicy,
  { earlier, sha }: DeployQuestion,
): Objection[] {
  if (order === "any") return [];
  const behind = earlier.filter(({ active }) => active !== sha);
  if (behind.length === 0) return [];
  const named = behind.slice(0, 10).map(({ machine, active }) => {
    const has = active === null ? "has no deployment that is" : `has ${code(active.slice(0, 10))}`;
    return `${code(machine)} ${has}`;
  });
  const more = behind.length > named.length ? ` and ${behind.length - named.length} more` : "";
  return [
    {
      code: "order",
      why: `Machines of earlier stages must be active on ${code(sha.slice(0, 10))} first: ${named.join(", ")}${more}.`,
    },
  ];
}
