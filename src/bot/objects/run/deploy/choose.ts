import { readConfiguration } from "../../../../core/config/read.ts";
import type { Configuration } from "../../../../core/config/schema.ts";
import {
  choose,
  type DeployMachine,
  earlierOf,
  identify,
  machinesOf,
  stagesOfNamed,
} from "../../../../core/deploy/index.ts";
import type { InventoryMachine } from "../../../../protocol/impact.ts";
import { code } from "../../../../core/report/index.ts";
import type { Context } from "../context.ts";
import type { Header } from "../rows.ts";
import { deployTargets, notIdentified } from "./prepare.ts";

/** What a run goes by was read when it was admitted; what cannot be read any more is a bug. */
export function configurationOf({ id, configuration }: Header): Configuration {
  const read = readConfiguration(configuration === "" ? null : configuration);
  if (configuration === null || !read.ok)
    throw new Error(`run ${id} was admitted by a configuration that cannot be read`);
  return read.configuration;
}

/** Every machine of the commit, as its evaluation has them. */
function enumerated({ store }: Context, run: Header): DeployMachine[] {
  const attributes = store
    .attributes("1 ORDER BY id")
    .map(({ selection, path, system, drv }) => ({ selection, path, system, drv }));
  const inventory = store.sql
    .exec<{
      machine: string;
      class: string;
      tags: string;
      roles: string;
      target_host: string | null;
      explicit: number;
      hold: string | null;
    }>("SELECT * FROM inventory ORDER BY machine")
    .toArray()
    // Written by `keepInventory` from the same type.
    .map(
      ({ machine, class: of, tags, roles, target_host, explicit, hold }) =>
        ({
          machine,
          class: of,
          tags: JSON.parse(tags) as string[],
          roles: JSON.parse(roles) as string[],
          targetHost: target_host,
          explicit: explicit === 1,
          hold,
        }) as InventoryMachine,
    );
  return machinesOf(configurationOf(run), { selections: run.selections, attributes, inventory });
}

export type ChosenTargets =
  | { kind: "chosen"; machines: { settings: DeployMachine; hostKey: string }[]; notices: string[] }
  /** Why nothing is done, as Markdown whose quotations are neutralised. */
  | { kind: "refused"; why: string };

/** The machines that a plan or a deploy is about. A machine whose identity is not known is never one of them. */
export async function chooseTargets(
  context: Context,
  run: Header,
  patterns: readonly string[],
): Promise<ChosenTargets> {
  const machines = enumerated(context, run);
  const known = await deployTargets(context, run);
  const { id } = run.identity.repository;
  const mine = new Set(known.map(({ name }) => name));
  // Without a word: every machine that some runner may change.
  const all = patterns.length === 0;
  const wanted = all
    ? machines.filter(({ name, explicit }) => mine.has(name) && !explicit).map(({ name }) => name)
    : patterns;
  const { machines: meant, unmatched, left } = choose(wanted, machines);
  if (unmatched.length > 0)
    return {
      kind: "refused",
      why: `No machine of this commit is meant by ${unmatched.map((one) => code(one)).join(", ")}. There are: ${
        machines
          .slice(0, 50)
          .map(({ name }) => code(name))
          .join(", ") || "none"
      }.`,
    };
  if (meant.length === 0)
    return {
      kind: "refused",
      why: "No machine is meant that a deploy runner may change for this repository.",
    };
  const found: { settings: DeployMachine; hostKey: string }[] = [];
  for (const settings of machines.filter(({ name }) => meant.includes(name))) {
    const identity = identify(settings.name, id, known);
    if (identity.kind !== "known")
      return { kind: "refused", why: notIdentified(settings.name, identity.kind) };
    found.push({ settings, hostKey: identity.hostKey });
  }
  const notices = left.map(
    (name) => `${code(name)} is left out: it asks to be named itself (${code("explicit")}).`,
  );
  return { kind: "chosen", machines: found, notices };
}

/** The stages of what was chosen, and the machines that must be active on the commit before. */
export function stagesFor(context: Context, run: Header, names: readonly string[]) {
  const { rollouts = {} } = configurationOf(run);
  const machines = enumerated(context, run);
  const begun = run.reason.kind === "deploy" ? (run.reason.begun?.rollout ?? null) : null;
  const own = Object.entries(rollouts).filter(([name]) => begun === null || name === begun);
  return {
    ...stagesOfNamed(names, Object.fromEntries(own), machines),
    earlier: earlierOf(names, rollouts, machines),
  };
}
