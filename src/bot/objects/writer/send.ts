import type { Octokit } from "@octokit/rest";
import type { Action, Outcome } from "../../../core/writer/index.ts";
import {
  createCheck,
  createComment,
  createDeployment,
  createIssue,
  type Failure,
  findCheck,
  findComment,
  findDeployment,
  findIssue,
  react,
  updateCheck,
  updateComment,
  updateDeployment,
  updateIssue,
} from "../../github/client/index.ts";
import type { GitHub } from "./github.ts";
import type { Desired } from "./wish.ts";

/** What an action came to, and in words what went wrong. */
export type Sent = { outcome: Outcome; problem: string | null };

/** Carries out one action on what `wanted` describes. */
export async function send(
  github: GitHub,
  action: Action,
  shownId: number | null,
  wanted: Desired,
): Promise<Sent> {
  if (action.kind === "lookup") {
    const answer = await github.ask(wanted.repository.id, (octokit) =>
      lookUp(octokit, github.app, shownId, wanted),
    );
    if (!answer.ok) return fromFailure(answer.failure, true, shownId);
    return answer.value === null
      ? { outcome: { kind: "absent" }, problem: "not found" }
      : { outcome: { kind: "found", ...answer.value }, problem: null };
  }
  const answer = await github.ask(wanted.repository.id, (octokit) =>
    carryOut(octokit, action, shownId, wanted),
  );
  if (!answer.ok) return fromFailure(answer.failure, false, shownId);
  const { headers, ...shown } = answer.value;
  github.learnHeaders(headers);
  return { outcome: { kind: "shown", ...shown }, problem: null };
}

type Shown = { shownId: number; annotated: number };
type Headers = Parameters<GitHub["learnHeaders"]>[0];

async function lookUp(
  octokit: Octokit,
  app: number,
  shownId: number | null,
  wanted: Desired,
): Promise<Shown | null> {
  if (!("kind" in wanted)) return findCheck(octokit, app, shownId, wanted);
  // A reaction is asked for again instead; see the plan.
  if (wanted.kind === "reaction") return null;
  const found =
    wanted.kind === "deployment"
      ? await findDeployment(octokit, app, shownId, wanted)
      : wanted.kind === "issue"
        ? await findIssue(octokit, app, shownId, wanted)
        : await findComment(octokit, app, shownId, wanted);
  return found === null ? null : { shownId: found, annotated: 0 };
}

async function carryOut(
  octokit: Octokit,
  action: Action,
  shownId: number | null,
  wanted: Desired,
): Promise<Shown & { headers: Headers }> {
  const create = action.kind === "create" || shownId === null;
  if (!("kind" in wanted))
    return create
      ? createCheck(octokit, wanted)
      : updateCheck(octokit, shownId, wanted, action.annotated);
  if (wanted.kind === "reaction") return { ...(await react(octokit, wanted)), annotated: 0 };
  if (wanted.kind === "deployment") {
    const shown = create
      ? await createDeployment(octokit, wanted)
      : await updateDeployment(octokit, shownId, wanted);
    return { ...shown, annotated: 0 };
  }
  if (wanted.kind === "issue") {
    const shown = create
      ? await createIssue(octokit, wanted)
      : await updateIssue(octokit, shownId, wanted);
    return { ...shown, annotated: 0 };
  }
  const made = create
    ? await createComment(octokit, wanted)
    : await updateComment(octokit, shownId, wanted);
  return { ...made, annotated: 0 };
}

function fromFailure(failure: Failure, lookup: boolean, shownId: number | null): Sent {
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
          : shownId === null
            ? { kind: "refused" }
            : { kind: "unknown" },
        problem: "404: what is shown, or what it belongs to, is not there",
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
