import { code } from "../report/escape.ts";
import type { Asked, Facts } from "./command.ts";
import { argumentsOf } from "./grammar.ts";
import { declarationOf } from "./registry.ts";

/** Why there is nothing for the command to do, as Markdown; null when there is. */
export function isNeedless(asked: Asked, facts: Facts): string | null {
  const { command, by } = asked;
  const { pull, runs, approvals, locks } = facts;
  const [first = null] = argumentsOf(declarationOf(command.name), command.arguments).values;
  const deploys = (facts.deploys ?? []).map(({ n }) => ({ n }));
  const active = [...runs.filter(({ state }) => state === "active"), ...deploys];
  switch (command.name) {
    case "cancel": {
      const named = first !== null && /^[0-9]+$/u.test(first) ? Number(first) : null;
      if (named !== null && !active.some(({ n }) => n === named))
        return `Run ${named} is not one of this head's that still go on.`;
      return active.length === 0 ? "No run of this head goes on." : null;
    }
    case "retry": {
      const newest = runs.find(({ state }) => state !== "superseded");
      if (newest === undefined)
        return `There is no run of this head yet: ${code("/build")} starts one.`;
      if (newest.state === "active")
        return `Run ${newest.n} still goes on. ${code("/cancel")} ends it.`;
      const onlyFailed = first === null || first === "failed";
      return onlyFailed && newest.conclusion === "success"
        ? `Nothing failed in run ${newest.n}. ${code("/retry all")} does everything again.`
        : null;
    }
    case "ok-to-test":
      return pull !== null && pull.approved === pull.head
        ? `${code(pull.approvedBy ?? "Somebody")} approved this commit already.`
        : null;
    case "approve":
      return approvals.some(({ by: other, sha }) => other.id === by.id && sha === pull?.head)
        ? "You approved this commit already."
        : null;
    case "unlock":
      return locks.some(({ machine }) => machine === first)
        ? null
        : `${code(first ?? "")} is neither locked nor held.`;
    case "lock":
      return locks.some(
        (lock) => lock.machine === first && lock.pull === asked.pull && lock.foreign !== true,
      )
        ? `${code(first ?? "")} is locked for this pull request already.`
        : null;
    case "help":
    case "build":
    case "test":
    case "plan":
    case "deploy":
    case "confirm":
    case "rollback":
    case "hold":
    case "status":
    case "bump":
      return null;
  }
}
