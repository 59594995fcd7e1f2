import {
  deploymentStateOf,
  reasonOf,
  type TargetRow,
  wordOf,
} from "../../../../core/deploy/index.ts";
import type { MachineOutcome } from "../../../../protocol/machine.ts";
import type { DesiredDeployment } from "../../contracts.ts";
import { type Context, header, writer } from "../context.ts";
import { logPage, pageOf } from "../links.ts";
import type { Header } from "../rows.ts";
import { type Errand, type Target, Targets } from "./targets.ts";

/** Of a machine that builds by itself: what nobody knew before. */
function cameOf(outcome: MachineOutcome | null): string | null {
  return outcome?.kind === "active" ? outcome.system : null;
}

/** GitHub shows 140 characters: what to do stands in the check. */
function stepOf(target: TargetRow | null): string {
  if (target?.state === "lost")
    return "lost: the machine is to be looked at; if no runner does, see the check";
  return target?.step ?? "begun";
}

/** What GitHub is told of each machine that is deployed to: one deployment for each, in the environment of its name. */
export async function showDeployments(context: Context): Promise<number | null> {
  const { store, storage } = context;
  const run = header(context);
  const targets = new Targets(store);
  const wanted = targets.errands("kind = 'deploy'").flatMap((errand) => {
    const target = targets.one(errand.machine);
    return target === null ? [] : [deploymentOf(context, run, errand, target)];
  });
  const news = wanted.filter((one) => {
    const [shown] = store.sql
      .exec<{ version: number; digest: string }>(
        "SELECT version, digest FROM shown WHERE name = ?",
        one.resource,
      )
      .toArray();
    if (shown?.digest === digestOf(one)) return false;
    one.version = (shown?.version ?? 0) + 1;
    return true;
  });
  if (news.length === 0) return null;
  const keep = (said: boolean) =>
    storage.transactionSync(() => {
      for (const one of news)
        store.sql.exec(
          "INSERT OR REPLACE INTO shown (name, cause, version, digest) VALUES (?, NULL, ?, ?)",
          one.resource,
          one.version,
          said ? digestOf(one) : "",
        );
    });
  // A version that was sent once is never used for another state.
  keep(false);
  await writer(context, run).say(news);
  keep(true);
  return null;
}

function digestOf({ state, description }: DesiredDeployment): string {
  return JSON.stringify([state, description]);
}

function deploymentOf(
  { env, store }: Context,
  run: Header,
  { job, machine, direction, counter }: Errand,
  { target, plan, running, settings }: Target,
): DesiredDeployment {
  const { id, owner, name } = run.identity.repository;
  const outcome = direction === "back" ? (target?.back ?? null) : (target?.outcome ?? null);
  // Of a machine that was taken back since, the way there is not what stands.
  const goesOn = target?.direction === direction && outcome === null;
  const attempt = store.job(job)?.attempt ?? 0;
  const why = outcome === null ? null : reasonOf(outcome);
  const http = settings.health.find(({ kind }) => kind === "http");
  return {
    kind: "deployment",
    resource: `deployment:${run.id}:${machine}:${direction ?? "forward"}`,
    version: 0,
    repository: { id, owner, name },
    sha: run.head,
    task: direction === "back" ? "deploy:rollback" : "deploy",
    environment: machine,
    state:
      outcome === null ? (goesOn ? "in_progress" : "inactive") : deploymentStateOf(outcome.kind),
    description:
      outcome === null
        ? stepOf(target)
        : `${wordOf(outcome.kind)}${why === null ? "" : `: ${why}`}`.slice(0, 140),
    payload: {
      run: run.id,
      machine,
      counter: counter ?? 0,
      from: running,
      to:
        direction === "back"
          ? (target?.before ?? null)
          : (target?.system ?? plan?.manifest.system ?? cameOf(outcome)),
      by: run.sender.login,
      asked: run.reason.kind === "deploy" ? run.reason.key : "",
    },
    logUrl:
      attempt === 0
        ? pageOf(env.PUBLIC_URL, run.id)
        : logPage(env.PUBLIC_URL, { job: `${run.id}.${job}`, attempt, stream: "job" }),
    environmentUrl: http?.kind === "http" ? http.url : null,
    terminal: outcome !== null,
  };
}
