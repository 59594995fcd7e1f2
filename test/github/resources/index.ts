import type { Handlers } from "../call.ts";
import { accounts } from "./accounts.ts";
import { apps } from "./apps.ts";
import { checks } from "./checks.ts";
import { comments } from "./comments.ts";
import { commits } from "./commits.ts";
import { contents } from "./contents.ts";
import { contentsWrite } from "./contents-write.ts";
import { deployments } from "./deployments.ts";
import { gitData } from "./git-data.ts";
import { issues } from "./issues.ts";
import { merges } from "./merges.ts";
import { pulls } from "./pulls.ts";
import { repos } from "./repos.ts";
import { repositories } from "./repositories.ts";
import { statuses } from "./statuses.ts";

export const handlers: Handlers = {
  ...accounts,
  ...apps,
  ...checks,
  ...comments,
  ...commits,
  ...contents,
  ...contentsWrite,
  ...deployments,
  ...gitData,
  ...issues,
  ...merges,
  ...pulls,
  ...repos,
  ...repositories,
  ...statuses,
};
