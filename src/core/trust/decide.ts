import type { Pool } from "../../protocol/identifiers.ts";
import type { JudgeReason } from "../repo/request.ts";
import { mayWrite } from "./role.ts";
import { type Origin, TABLE, type TrustRule } from "./table.ts";

export type TrustQuestion = {
  reason: JudgeReason;
  /** Name of the default branch, without `refs/heads/`. */
  defaultBranch: string;
  /** GitHub's type of the account that brought the head: `User`, `Bot`, … */
  senderType: string;
  /** Its `role_name`; null where it was not or could not be asked. Only pull requests of the repository need it. */
  senderRole: string | null;
  /** The full SHA that somebody entitled approved, if any. */
  approvedSha: string | null;
  policy: { trusted: TrustRule; writers: readonly string[] };
};

export type Trust =
  | { kind: "pool"; pool: Pool; origin: Origin }
  /** No job until the head is approved; `command` is the exact comment that does it. */
  | { kind: "needs-approval"; origin: Origin; reason: string; command: string }
  | { kind: "refuse"; origin: Origin; reason: string };

/** Where a run's jobs may go. Whoever is not served at all never gets here. */
export function decide(question: TrustQuestion): Trust {
  const origin = originOf(question);
  const cell = TABLE[question.policy.trusted][question.reason.kind][origin];
  switch (cell) {
    case "approval":
      return {
        kind: "needs-approval",
        origin,
        reason: WHY[origin] ?? origin,
        command: `/ok-to-test ${question.reason.head}`,
      };
    case "no":
      return {
        kind: "refuse",
        origin,
        reason: `a ${question.reason.kind} cannot come from ${origin}`,
      };
    default:
      return { kind: "pool", pool: cell, origin };
  }
}

const WHY: Partial<Record<Origin, string>> = {
  fork: "The head is in another repository.",
  stranger:
    "Whoever brought this head has no write access to the repository, or it could not be confirmed.",
};

function originOf(question: TrustQuestion): Origin {
  const { reason } = question;
  switch (reason.kind) {
    case "push":
      return reason.ref === `refs/heads/${question.defaultBranch}` ? "default-branch" : "branch";
    case "merge_group":
      return "merge-queue";
    case "pull_request": {
      // Only the very commit counts: an approval of what stood there before says nothing about what stands there now.
      const approved = question.approvedSha !== null && question.approvedSha === reason.head;
      if (reason.fork) return approved ? "fork-approved" : "fork";
      if (question.senderType === "Bot") return "bot";
      if (mayWrite(question.senderRole, question.policy.writers)) return "writer";
      return approved ? "stranger-approved" : "stranger";
    }
  }
}
