import type { Handlers } from "../call.ts";
import { accounts } from "./accounts.ts";
import { apps } from "./apps.ts";
import { checks } from "./checks.ts";
import { comments } from "./comments.ts";
import { commits } from "./commits.ts";
import { contents } from "./contents.ts";
import { deployments } from "./deployments.ts";
import { gitData } from "./git-data.ts";
import { issues } from "./issues.ts";
import { pulls } from "./pulls.ts";
import { repos } from "./repos.ts";
import { statuses } from "./statuses.ts";

export const handlers: Handlers = {
  ...accounts,
  ...apps,
  ...checks,
  ...comments,
  ...commits,
  ...contents,
  ...deployments,
  ...gitData,
  ...issues,
  ...pulls,
  ...repos,
  ...statuses,
};
