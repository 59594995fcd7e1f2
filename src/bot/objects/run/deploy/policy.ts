import {
  type DeployMachine,
  identify,
  type Objection,
  objections,
} from "../../../../core/deploy/index.ts";
import { need } from "../admission.ts";
import { type Context, writer } from "../context.ts";
import type { Header } from "../rows.ts";
import { configurationOf } from "./choose.ts";
import { deployTargets } from "./prepare.ts";
import { machineOf } from "./targets.ts";
import { machineObject } from "./words.ts";

/** Everything that keeps a deploy from going on, as GitHub and the machines have it now; empty where nothing does. */
export async function objectionsTo(
  context: Context,
  run: Header,
  machines: readonly DeployMachine[],
  earlier: readonly string[],
  goesOn = false,
): Promise<Objection[]> {
  const { defaultBranch } = run.identity.repository;
  const pull = run.reason.kind === "deploy" ? run.reason.pull : null;
  const facts = need(
    await writer(context, run).standing(run.identity.repository, {
      sha: run.head,
      defaultBranch,
      pull,
    }),
    `standing of ${run.head}`,
  );
  return objections({
    now: context.now(),
    purpose: "deploy",
    sha: run.head,
    policy: configurationOf(run).policy?.deploy ?? {},
    machines,
    ownApp: Number(context.env.GITHUB_APP_ID),
    goesOn,
    earlier: await activeOn(context, run, earlier),
    ...facts,
  });
}

/** The commit that the newest deploy of each left active, as the machine's own object has it. */
async function activeOn(context: Context, run: Header, names: readonly string[]) {
  const known = await deployTargets(context, run);
  return await Promise.all(
    names.map(async (machine) => {
      const identity = identify(machine, run.identity.repository.id, known);
      if (identity.kind !== "known") return { machine, active: null };
      const { hostKey } = identity;
      const view = await machineObject(context, run, hostKey).view(machineOf(run, hostKey));
      const [last] = view?.history.filter(({ outcome }) => outcome !== null) ?? [];
      const active = view?.open.length === 0 && last?.outcome?.kind === "active" ? last.sha : null;
      return { machine, active };
    }),
  );
}
