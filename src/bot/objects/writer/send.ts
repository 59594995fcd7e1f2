import type { Action, Outcome } from "../../../core/writer/index.ts";
import { createCheck, type Failure, findCheck, updateCheck } from "../../github/client/index.ts";
import type { DesiredCheck } from "../contracts.ts";
import type { GitHub } from "./github.ts";

/** What an action came to, and in words what went wrong. */
export type Sent = { outcome: Outcome; problem: string | null };

/** Carries out one action. */
export async function send(
  github: GitHub,
  action: Action,
  checkRun: number | null,
  check: DesiredCheck,
): Promise<Sent> {
  if (action.kind === "lookup") {
    const answer = await github.ask((octokit) => findCheck(octokit, github.app, checkRun, check));
    if (!answer.ok) return fromFailure(answer.failure, true, checkRun);
    return answer.value === null
      ? { outcome: { kind: "absent" }, problem: "not found" }
      : { outcome: { kind: "found", ...answer.value }, problem: null };
  }
  const answer = await github.ask((octokit) =>
    action.kind === "create" || checkRun === null
      ? createCheck(octokit, check)
      : updateCheck(octokit, checkRun, check, action.annotated),
  );
  if (!answer.ok) return fromFailure(answer.failure, false, checkRun);
  github.learnHeaders(answer.value.headers);
  return {
    outcome: { kind: "shown", checkRun: answer.value.checkRun, annotated: answer.value.annotated },
    problem: null,
  };
}

function fromFailure(failure: Failure, lookup: boolean, checkRun: number | null): Sent {
  switch (failure.kind) {
    case "limited":
      return { outcome: { kind: "limited" }, problem: failure.reason };
    case "unknown":
      return { outcome: { kind: "unknown" }, problem: failure.reason };
    case "missing":
      // Just after its creation GitHub may not know it everywhere: what is missing is looked for.
      return {
        outcome: lookup
          ? { kind: "absent" }
          : checkRun === null
            ? { kind: "refused" }
            : { kind: "unknown" },
        problem: "404: the repository, the commit or the check run is not there",
      };
    case "unauthorized":
      return {
        outcome: { kind: "refused" },
        problem:
          "401: GitHub does not take the App's token: check GITHUB_APP_ID and the private key",
      };
    case "refused":
      return { outcome: { kind: "refused" }, problem: `${failure.status}: ${failure.reason}` };
  }
}
