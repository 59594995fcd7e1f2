import {
  choose,
  type DeployMachine,
  identify,
  isSource,
  machinesOf,
} from "../../../../core/deploy/index.ts";
import type { Configuration } from "../../../../core/config/schema.ts";
import { resolve, type Resolved } from "../../../../core/config/resolve.ts";
import type { DeployReason } from "../../../../core/repo/request.ts";
import { kropsDeclared } from "../../../../core/krops/index.ts";
import { admit } from "../../../../core/run/index.ts";
import { code } from "../../../../core/report/index.ts";
import { attributeName } from "../../../../protocol/attribute.ts";
import { parseAttributePath } from "../../../../protocol/attribute-path.ts";
import type { DeployTarget } from "../../../../protocol/machine.ts";
import type { Selection } from "../../../../protocol/specification.ts";
import { need, refuse } from "../admission.ts";
import { readSource } from "../configuration.ts";
import { commit, type Context, fleet, repo, writer } from "../context.ts";
import { sha256 } from "../digest.ts";
import type { Header } from "../rows.ts";
import { Targets } from "./targets.ts";

/** Outputs of a flake that are machines. */
const OUTPUTS = ["nixosConfigurations", "darwinConfigurations"] as const;
const NOTHING_FOUND = { selections: [], attributes: [], inventory: [] };
const POOL = "deploy";

/** Everything before the first job of a run for machines: what it goes by, and whom it may be about. */
export async function prepareDeploy(
  context: Context,
  run: Header,
  reason: DeployReason,
): Promise<number | null> {
  const github = writer(context, run);
  const { id } = run.identity.repository;
  const policy = need(
    await repo(context, run).policy(run.identity),
    "default branch's configuration",
  );
  const read = readSource(policy);
  if (!read.ok) {
    const [first] = read.errors;
    const message = `The default branch's configuration cannot be read, so nobody can say what may be deployed: ${first?.message ?? ""}`;
    return refuse(context, { kind: "evaluation-error", message, position: null });
  }
  const targets = await deployTargets(context, run);
  if (targets.length === 0)
    return refuse(context, {
      kind: "no-runner",
      missing: ["a deploy runner whose own policy names a machine for this repository"],
    });
  const resolved = resolve(read.configuration, [], POOL);
  const digest = await sha256(policy.text ?? "");
  const kept = {
    configuration: policy.text ?? "",
    policy: digest,
    limits: JSON.stringify(resolved.limits),
  };
  if (reason.what.kind === "rollback" || reason.what.kind === "observe") {
    const patterns = reason.what.kind === "observe" ? reason.what.targets : [reason.what.machine];
    const chosen = knownMachines(read.configuration, patterns, targets, id);
    if ("why" in chosen) return refuse(context, failed(chosen.why));
    commit(
      context,
      () => admit(context.store.slice(), { kind: "machines", pool: POOL }),
      () => {
        context.store.set(kept);
        const rows = new Targets(context.store);
        for (const [at, { machine, hostKey }] of chosen.machines.entries())
          rows.add(machine, hostKey, at);
      },
    );
    return null;
  }
  const { tree } = need(
    await github.commit(run.identity.repository, run.head),
    `commit ${run.head}`,
  );
  const set = systemsOf(read.configuration, reason.what.targets, targets);
  // Where every machine builds by itself nothing of the tree is evaluated here; it may have no flake.
  const alone = named(read.configuration, targets)
    .filter(({ name }) => targets.some((target) => target.name === name))
    .every(({ method }) => isSource(method));
  const selections = alone ? [] : narrow(resolved, read.configuration);
  const { cloneUrl } = run.identity.repository;
  const { revision } = resolved;
  const source = { cloneUrl, ref: reason.ref, sha: run.head, tree, revision };
  commit(
    context,
    () =>
      admit(
        context.store.slice(),
        alone
          ? { kind: "machines", pool: POOL }
          : {
              kind: "evaluate",
              deploys: true,
              pool: POOL,
              rules: { systems: selections.map(() => null), set },
            },
      ),
    () => {
      context.store.set({
        ...kept,
        built: run.head,
        source: JSON.stringify(source),
        selections: JSON.stringify(selections),
      });
      if (kropsDeclared(read.configuration) !== null) context.tasks.at("krops", context.now());
    },
  );
  return null;
}

/** What the account's deploy runners may change for the repository. */
export async function deployTargets(context: Context, run: Header): Promise<DeployTarget[]> {
  const { account, repository } = run.identity;
  const machines = await fleet(context, run).machines(account.id, repository.id);
  return machines.map(({ name, hostKey }) => ({ name, hostKey, repositories: [repository.id] }));
}

function failed(why: string) {
  return { kind: "evaluation-error" as const, message: why, position: null };
}

type Known = { machine: DeployMachine; hostKey: string };

/** Machines that need no evaluation to be known: by the configuration and the runners' policies. */
function knownMachines(
  configuration: Configuration,
  patterns: readonly string[],
  targets: readonly DeployTarget[],
  repository: number,
): { machines: Known[] } | { why: string } {
  const machines = named(configuration, targets);
  const { machines: meant, unmatched } = choose(patterns, machines);
  if (unmatched.length > 0)
    return { why: `No machine is meant by ${unmatched.map((one) => code(one)).join(", ")}.` };
  const found: Known[] = [];
  for (const machine of machines.filter(({ name }) => meant.includes(name))) {
    const identity = identify(machine.name, repository, targets);
    if (identity.kind !== "known") return { why: notIdentified(machine.name, identity.kind) };
    found.push({ machine, hostKey: identity.hostKey });
  }
  return { machines: found };
}

export function notIdentified(name: string, kind: "unnamed" | "disputed"): string {
  return kind === "unnamed"
    ? `No deploy runner's own policy names ${code(name)} for this repository.`
    : `The policies of several deploy runners name ${code(name)} with different host keys: their operators must set that right.`;
}

/** What the configuration declares, and what the runners name beyond that. */
function named(configuration: Configuration, targets: readonly DeployTarget[]): DeployMachine[] {
  const declared = machinesOf(configuration, NOTHING_FOUND);
  const names = new Set(declared.map(({ name }) => name));
  const others = [...new Set(targets.map(({ name }) => name))].filter((one) => !names.has(one));
  // As it would be if it were declared with nothing said of it.
  const { machines = {} } = configuration;
  const bare = Object.fromEntries(others.map((one) => [one, {}]));
  return machinesOf({ ...configuration, machines: { ...machines, ...bare } }, NOTHING_FOUND);
}

/** Of what is looked at, the part in which machines are. */
function narrow({ selections }: Resolved, { machines = {} }: Configuration): Selection[] {
  const declared = new Set(Object.keys(machines));
  const attributes = new Set(
    Object.values(machines).flatMap((one) =>
      typeof one === "object" && "attribute" in one && typeof one.attribute === "string"
        ? [one.attribute]
        : [],
    ),
  );
  const found = selections.flatMap((selection): Selection[] => {
    const own = selection.attributes.filter((name) => {
      if (attributes.has(name)) return true;
      const path = parseAttributePath(name) ?? [name];
      return selection.kind === "flake"
        ? OUTPUTS.some((output) => output === path[0])
        : declared.has(path.at(-1) ?? "");
    });
    if (selection.kind === "file")
      return own.length === 0 ? [] : [{ ...selection, attributes: own }];
    const { formatterCheck: _, ...rest } = selection;
    return [{ ...rest, attributes: own.length === 0 ? [...OUTPUTS] : own }];
  });
  if (found.length > 0) return found;
  return [{ kind: "flake", directory: ".", attributes: [...OUTPUTS], systems: null }];
}

/** Names of the machines that are meant, as far as that is known before anything is evaluated; else of all that runners name. */
export function meantBefore(
  configuration: Configuration,
  patterns: readonly string[],
  targets: readonly DeployTarget[],
): string[] {
  const open = patterns.length === 0 || patterns.some((one) => /^(?:tag|role):/u.test(one));
  return open
    ? [...new Set(targets.map(({ name }) => name))]
    : [...choose(patterns, named(configuration, targets)).machines];
}

/**
 * Attributes that are built: those of the machines that are meant, as far as that is known before anything is evaluated.
 * What tags and roles mean an inventory may say alone: then it is every machine that a runner names. A machine that builds by
 * itself has none.
 */
function systemsOf(
  configuration: Configuration,
  patterns: readonly string[],
  targets: readonly DeployTarget[],
): string[] {
  const meant = meantBefore(configuration, patterns, targets);
  const own = new Map(Object.entries(configuration.machines ?? {}));
  const sources = new Set(
    named(configuration, targets).flatMap(({ name, method }) => (isSource(method) ? [name] : [])),
  );
  return meant.flatMap((name) => {
    if (sources.has(name)) return [];
    const declared = own.get(name);
    if (typeof declared === "object" && "attribute" in declared && declared.attribute !== undefined)
      return [String(declared.attribute)];
    return [
      ...OUTPUTS.map((output) => attributeName([output, name])),
      `**.${attributeName([name])}`,
    ];
  });
}
