import type { Handlers } from "../call.ts";
import { accounts } from "./accounts.ts";
import { apps } from "./apps.ts";
import { checks } from "./checks.ts";
import { collaborators } from "./collaborators.ts";
import { comments } from "./comments.ts";
import { commits } from "./commits.ts";
import { contents } from "./contents.ts";
import { contentsWrite } from "./contents-write.ts";
import { deployments } from "./deployments.ts";
import { gitData } from "./git-data.ts";
import { issues } from "./issues.ts";
import { labels } from "./labels.ts";
import { merges } from "./merges.ts";
import { protection } from "./protection.ts";
import { pulls } from "./pulls.ts";
import { reactions } from "./reactions.ts";
import { repos } from "./repos.ts";
import { repositories } from "./repositories.ts";
import { statuses } from "./statuses.ts";
import { teams } from "./teams.ts";

export const handlers: Handlers = {
  ...accounts,
  ...apps,
  ...checks,
  ...collaborators,
  ...comments,
  ...commits,
  ...contents,
  ...contentsWrite,
  ...deployments,
  ...gitData,
  ...issues,
  ...labels,
  ...merges,
  ...protection,
  ...pulls,
  ...reactions,
  ...repos,
  ...repositories,
  ...statuses,
  ...teams,
};
