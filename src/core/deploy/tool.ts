import { type Method, METHODS } from "../../protocol/machine.ts";
import { ToolWork } from "../../protocol/tool.ts";
import type { KubernetesCheckSource, MethodSettings } from "../config/methods.ts";
import { filler, type Variables } from "./fill.ts";

/** Of the check of a cluster that does not say how long it is tried (s). */
const CHECK_SECONDS = 300;

/** What a machine is known by to those who deploy it. */
export type ToolOf = {
  name: string;
  method: Method;
  /** The directory of the flake that has its system; null where it comes from a file, or is not known. */
  directory: string | null;
  variables: Variables;
};

/**
 * How a machine's tool is called: by what the configuration says of it, else by the machine's name. A setting that makes no
 * call is a problem: nothing is deployed by a guess.
 * @returns null for `plain`, which has no tool.
 */
export function toolOf(
  { name, method, directory, variables }: ToolOf,
  settings: MethodSettings,
): { tool: ToolWork | null; problems: string[] } {
  if (method === "plain") return { tool: null, problems: [] };
  const { fill, missing } = filler(variables);
  const made = callOf(method, settings, { name, directory, fill });
  if (typeof made === "string") return { tool: null, problems: [made] };
  if (missing.size > 0) {
    const names = [...missing].map((one) => `\${${one}}`).join(", ");
    return { tool: null, problems: [`the settings of ${method} need ${names}`] };
  }
  const read = ToolWork.safeParse(made);
  if (read.success) return { tool: read.data, problems: [] };
  const [issue] = read.error.issues;
  const where = issue?.path.join(".") ?? "";
  return { tool: null, problems: [`it cannot be deployed by ${method}: ${where} is not one`] };
}

/** Whether the repository's tree is what is approved, and no closure of it. */
export function isSource(method: Method): boolean {
  return METHODS[method] === "source";
}

type Call = { name: string; directory: string | null; fill: (text: string) => string };

/** A string says what there is too little of. */
function callOf(
  method: Exclude<Method, "plain">,
  settings: MethodSettings,
  { name, directory, fill }: Call,
): object | string {
  const flake = (own: string | undefined) => own ?? directory ?? ".";
  switch (method) {
    case "nixos-rebuild": {
      const { directory: own, configuration = name } = settings.nixos_rebuild ?? {};
      return { kind: method, directory: flake(own), configuration: fill(configuration) };
    }
    case "deploy-rs": {
      const { directory: own, node = name, profile = "system" } = settings.deploy_rs ?? {};
      return { kind: method, directory: flake(own), node: fill(node), profile: fill(profile) };
    }
    case "colmena": {
      const { directory: own, node = name } = settings.colmena ?? {};
      return { kind: method, directory: flake(own), node: fill(node) };
    }
    case "clan": {
      const { directory: own, machine = name } = settings.clan ?? {};
      return { kind: method, directory: flake(own), machine: fill(machine) };
    }
    case "darwin": {
      const { directory: own, configuration = name } = settings.darwin ?? {};
      return { kind: method, directory: flake(own), configuration: fill(configuration) };
    }
    case "krops":
      return krops(settings.krops ?? {}, name, fill);
    case "kubernetes":
      return settings.kubernetes === undefined
        ? "its `kubernetes` names no deployment script (`attribute`)"
        : kubernetes(settings.kubernetes, fill);
    case "script": {
      const { script } = settings;
      if (script === undefined) return "its `script` names no command (`run`)";
      const { run, directory: own = "." } = script;
      return { kind: method, directory: fill(own), argv: run.map((word) => fill(word)) };
    }
  }
}

function krops(
  own: NonNullable<MethodSettings["krops"]>,
  name: string,
  fill: (text: string) => string,
): object {
  const { attribute = name, file = "krops.nix", local = null } = own;
  const dist = own.dist ?? (local === null ? [] : [`build/${name}/dist`]);
  const sources = (own.sources ?? []).map(({ from, to, files = ["flake.nix", "flake.lock"] }) => ({
    from: fill(from),
    to: fill(to),
    files: files.map((path) => fill(path)),
  }));
  return {
    kind: "krops",
    attribute: fill(attribute),
    build: { local: local === null ? null : fill(local), krops: fill(file) },
    dist: dist.map((path) => fill(path)),
    sources,
    sentinel: fill(own.sentinel ?? "/var/src/.populate"),
  };
}

function kubernetes(
  own: NonNullable<MethodSettings["kubernetes"]>,
  fill: (text: string) => string,
): object {
  const attribute = fill(own.attribute);
  const entry =
    own.file === undefined
      ? { kind: "flake", directory: fill(own.directory ?? "."), attribute }
      : { kind: "file", file: fill(own.file), attribute, args: own.args ?? {} };
  return {
    kind: "kubernetes",
    entry,
    arguments: (own.arguments ?? ["--yes"]).map((word) => fill(word)),
    prune: false,
    keys: own.keys === undefined ? null : fill(own.keys),
    checks: (own.checks ?? []).map((check) => clusterCheck(check)),
  };
}

function clusterCheck(check: KubernetesCheckSource): object {
  const common = {
    namespace: check.namespace,
    timeoutSeconds: check.timeout_seconds ?? CHECK_SECONDS,
  };
  if ("job" in check) return { kind: "job", name: check.job, ...common };
  if ("service" in check) {
    const { service, port, path = "/" } = check;
    return { kind: "answer", service, port, path, ...common };
  }
  const { workload, file, container = null, contains } = check;
  return { kind: "file", workload, path: file, container, contains, ...common };
}
