import type { InventoryMachine } from "../../protocol/impact.ts";
import {
  type DeployLimits,
  type DeployTarget,
  type HealthCheck,
  MachineName,
  type Method,
} from "../../protocol/machine.ts";
import type { ToolWork } from "../../protocol/tool.ts";
import { attributeName } from "../../protocol/attribute.ts";
import { declaredIn, type Machine } from "../config/machines.ts";
import { METHOD_SETTINGS, type MethodSettings } from "../config/methods.ts";
import type { Configuration } from "../config/schema.ts";
import { machineOf } from "../impact/machine.ts";
import { healthOf } from "./health.ts";
import { isSource, toolOf } from "./tool.ts";

/** The machines of a repository: what its configuration, its evaluation and a clan's inventory say of them together. */

/** An attribute of an evaluation. */
export type EvaluatedAttribute = {
  selection: number;
  path: readonly string[];
  system: string | null;
  /** Null where it could not be evaluated. */
  drv: string | null;
};

export type Found = {
  /** The selections, by their numbers. */
  selections: readonly ({ kind: "flake"; directory?: string } | { kind: "file" })[];
  attributes: readonly EvaluatedAttribute[];
  inventory: readonly InventoryMachine[];
};

export type DeployMachine = {
  name: string;
  method: Method;
  /** How the method's tool is called; null for `plain`, and where that cannot be said (`problems`). */
  tool: ToolWork | null;
  class: "nixos" | "darwin";
  tags: string[];
  roles: string[];
  /** Deployed only where it is named itself. */
  explicit: boolean;
  /** Why it is not to be changed, as the configuration says. */
  hold: string | null;
  /** The attribute that is its system; null where the evaluation has none. */
  attribute: EvaluatedAttribute | null;
  health: HealthCheck[];
  backup: string[] | null;
  limits: DeployLimits;
  warn: readonly { when: string; says: string }[];
  /** What keeps it from being deployed, whoever asks. Empty where nothing does. */
  problems: string[];
};

const LIMITS = { connect: 10, copy: 3_600, activation: 900, confirmation: 300 } as const;

/** Every machine of the repository, in the order of their names. */
export function machinesOf(configuration: Configuration, found: Found): DeployMachine[] {
  const { machines = {} } = configuration;
  const declared = declaredIn(machines);
  const discover = machines.discover ?? ["nixosConfigurations", "clan"];
  const systems = systemsOf(found, new Set(Object.keys(declared)));
  const inventory = new Map(
    (discover.includes("clan") ? found.inventory : []).map((one) => [one.machine, one]),
  );
  const names = new Set([
    ...Object.keys(declared),
    ...inventory.keys(),
    ...(discover.includes("nixosConfigurations") ? systems.keys() : []),
  ]);
  return [...names]
    .filter((name) => MachineName.safeParse(name).success)
    .toSorted()
    .map((name) => {
      const own = together(machines.defaults ?? {}, declared[name] ?? {});
      const attribute =
        own.attribute === undefined ? systems.get(name) : named(found, own.attribute);
      return machine(name, own, attribute ?? null, inventory.get(name) ?? null, found);
    });
}

/** What a machine does not say itself is everyone's; a method's settings key by key. */
function together(defaults: Machine, own: Machine): Machine {
  const all: Machine = { ...defaults, ...own };
  const settings = Object.keys(METHOD_SETTINGS) as (keyof MethodSettings)[];
  return Object.assign(
    all,
    ...settings.flatMap((key) =>
      defaults[key] === undefined || own[key] === undefined
        ? []
        : [{ [key]: { ...defaults[key], ...own[key] } }],
    ),
  ) as Machine;
}

function machine(
  name: string,
  own: Machine,
  attribute: EvaluatedAttribute | null,
  listed: InventoryMachine | null,
  { selections }: Found,
): DeployMachine {
  const kind = own.class ?? classOf(attribute, listed);
  const method = own.method ?? (kind === "darwin" ? "darwin" : listed === null ? "plain" : "clan");
  const variables = {
    name,
    ...(own.domain === undefined ? {} : { domain: own.domain }),
    ...own.variables,
  };
  const { checks, problems } = healthOf(own.health ?? [], variables);
  const selection = attribute === null ? undefined : selections[attribute.selection];
  const directory = selection?.kind === "flake" ? (selection.directory ?? null) : null;
  const called = toolOf({ name, method, directory, variables }, own);
  const closure = !isSource(method);
  const lacks = [
    ...(closure && attribute === null
      ? ["the evaluation has no attribute that is its system"]
      : []),
    ...(closure && attribute?.drv === null ? ["its system could not be evaluated"] : []),
    ...called.problems,
    ...(method === "clan" && listed !== null && listed.targetHost == null
      ? [
          "clan names no target host for it (`deploy.targetHost` in the inventory, or `clan.core.networking.targetHost`)",
        ]
      : []),
  ];
  return {
    name,
    method,
    tool: called.tool,
    class: kind,
    tags: [...new Set([...(own.tags ?? []), ...(listed?.tags ?? [])])],
    roles: [...new Set([...(own.roles ?? []), ...(listed?.roles ?? [])])],
    explicit: own.explicit ?? listed?.explicit ?? false,
    hold: own.hold ?? listed?.hold ?? null,
    attribute,
    health: checks,
    backup: own.backup ?? null,
    limits: limitsOf(own, checks),
    warn: own.warn ?? [],
    problems: [...lacks, ...problems],
  };
}

/** The confirmation's limit is the machine's: it must not go back while a check may still come to hold. */
function limitsOf({ limits = {} }: Machine, checks: readonly HealthCheck[]): DeployLimits {
  const patience = Math.max(
    0,
    ...checks.map(({ graceSeconds, timeoutSeconds }) => graceSeconds + timeoutSeconds),
  );
  return {
    connectSeconds: limits.connect_seconds ?? LIMITS.connect,
    copySeconds: limits.copy_seconds ?? LIMITS.copy,
    activationSeconds: limits.activation_seconds ?? LIMITS.activation,
    confirmationSeconds:
      limits.confirmation_seconds ?? Math.max(LIMITS.confirmation, patience + LIMITS.connect * 6),
  };
}

/** Attributes that are machines' systems, by the machine. Of two of one name the first selection's is it. */
function systemsOf(
  { selections, attributes }: Found,
  declared: ReadonlySet<string>,
): Map<string, EvaluatedAttribute> {
  const found = new Map<string, EvaluatedAttribute>();
  for (const attribute of attributes) {
    const kind = selections[attribute.selection]?.kind ?? "flake";
    const name = machineOf(`${kind}:`, attributeName(attribute.path), declared);
    const known = name === null ? undefined : found.get(name);
    if (name !== null && (known === undefined || attribute.selection < known.selection))
      found.set(name, attribute);
  }
  return found;
}

function named({ attributes }: Found, name: string): EvaluatedAttribute | undefined {
  return attributes.find(({ path }) => attributeName(path) === name);
}

function classOf(
  attribute: EvaluatedAttribute | null,
  listed: InventoryMachine | null,
): DeployMachine["class"] {
  if (listed !== null) return listed.class === "darwin" ? "darwin" : "nixos";
  return attribute?.path[0] === "darwinConfigurations" ? "darwin" : "nixos";
}

export type Identity =
  | { kind: "known"; hostKey: string }
  /** No deploy runner's policy names it for the repository. */
  | { kind: "unnamed" }
  /** Runners disagree about who it is: nothing is done before their operators have set it right. */
  | { kind: "disputed"; hostKeys: string[] };

/** Who a machine is, by the policies of the account's deploy runners. Only what names the repository counts. */
export function identify(
  name: string,
  repository: number,
  targets: readonly DeployTarget[],
): Identity {
  const keys = targets
    .filter((target) => target.name === name && target.repositories.includes(repository))
    .map(({ hostKey }) => hostKey);
  const [first, ...others] = new Set(keys);
  if (first === undefined) return { kind: "unnamed" };
  if (others.length > 0) return { kind: "disputed", hostKeys: [first, ...others].toSorted() };
  return { kind: "known", hostKey: first };
}
