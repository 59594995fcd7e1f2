import type { Scenario } from "../scenario.ts";
import { approvedFork, helpAndStatus, retry, staleSha } from "./commands.ts";
import { cleanPullRequest, failingBuild, evaluationError, noRunner } from "./verdicts.ts";
import { emptyCommit, fastForward, docsOnly } from "./reuse.ts";
import { flaky, impact } from "./told.ts";
import { nonFlake } from "./file.ts";
import { faultyConfiguration, mergeGroup } from "./configuration.ts";
import { drift, locked, plan, rollout, sick, tools } from "./deploy.ts";
import { conflict, fork, rerequest, supersede } from "./events.ts";

/** In the order they are told. */
export const scenarios: Scenario[] = [
  cleanPullRequest,
  failingBuild,
  evaluationError,
  noRunner,
  emptyCommit,
  fastForward,
  docsOnly,
  nonFlake,
  supersede,
  rerequest,
  fork,
  conflict,
  helpAndStatus,
  approvedFork,
  staleSha,
  retry,
  flaky,
  impact,
  faultyConfiguration,
  mergeGroup,
  plan,
  rollout,
  sick,
  locked,
  drift,
  ...tools,
];
