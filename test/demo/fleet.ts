import { createPrivateKey } from "node:crypto";
import { execFile } from "node:child_process";
import {
  chmod,
  chown,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { publicKeyOf } from "../../src/runner/enrolment/identity.ts";
import { type Lab, startLab } from "../machines/lab.ts";
import type { TestMachine } from "../machines/machine.ts";
import type { Stack } from "../support/stack.ts";
import { example } from "./scenarios/example.ts";
import { nix, type Tree } from "./scenarios/flakes.ts";
import { expect } from "./scenario.ts";
import type { Project, Stage } from "./stage.ts";

/** Of `nix/examples/fleet`: those that are plain NixOS, the canary first. */
export const SITE = ["web1", "web2", "web3", "db1", "monitor1"] as const;
/** Of the same example: by krops, of the operator's overlay, and by clan. */
export const BY_TOOLS = ["machine1", "vault1"] as const;
const EXAMPLES = resolve(import.meta.dirname, "../../nix/examples");
/** Stand-ins: they do to a machine what the tools of their names do. */
const TOOLS = resolve(import.meta.dirname, "../machines/tools");
/** Where krops puts sources: of the machine's own folders; /var/src would be the host's. */
const SOURCES = "/var/lib/src";
const execute = promisify(execFile);

/** What a change of a machine is: what its site says, shell text of its activation, texts of units. */
export type Change = { page: string; activation?: string; units?: Record<string, string> };

/** The configuration files of these machines, as a commit changes them. */
export function changed(machines: readonly string[], change: Change): Tree {
  const { page, activation = "", units = {} } = change;
  const texts = Object.entries(units).map(([name, text]) => `${nix(name)} = ${nix(text)};`);
  return Object.fromEntries(
    machines.map((name) => [
      `machines/${name}/configuration.nix`,
      `{ domain = ${nix(`${name}.example.org`)}; page = ${nix(`${page} of ${name}`)}; activation = ${nix(activation)}; unitText = { ${texts.join(" ")} }; }\n`,
    ]),
  );
}

/**
 * Five machines behind ssh that run what `nix/examples/fleet` says on its default branch, that repository, and the one
 * runner that may change them.
 */
export class Fleet {
  readonly project: Project;
  readonly machines: ReadonlyMap<string, TestMachine>;

  private constructor(project: Project, machines: ReadonlyMap<string, TestMachine>) {
    this.project = project;
    this.machines = machines;
  }

  /** The stack's fleet of five: made for the first story that asks, and gone with the stack. */
  static async of(stage: Stage): Promise<Fleet> {
    return await once(sites, stage, async (lab) => {
      const machines = new Map<string, TestMachine>();
      for (const name of SITE) machines.set(name, await installed(lab, name));
      return await Fleet.#start(stage, lab, {
        name: "fleet",
        machines,
        yaml: siteYaml(machines),
        policies: {},
        toolFolder: null,
      });
    });
  }

  /** Another repository of the same example, whose two machines are deployed by krops and by clan. */
  static async byTools(stage: Stage): Promise<Fleet> {
    return await once(tooled, stage, async (lab) => {
      lab.env["PATH"] = `${lab.env["PATH"] ?? ""}:/root/bin`;
      const machines = new Map<string, TestMachine>();
      for (const name of BY_TOOLS) machines.set(name, await installed(lab, name));
      const overlay = await prepareKrops(machines.get("machine1"));
      return await Fleet.#start(stage, lab, {
        name: "tools",
        machines,
        yaml: toolsYaml(machines),
        policies: {
          machine1: { methods: ["krops"], krops: { overlay, hosts: ["machine1.example.org"] } },
          vault1: { methods: ["clan"] },
        },
        toolFolder: TOOLS,
      });
    });
  }

  static async #start(stage: Stage, lab: Lab, plan: Plan): Promise<Fleet> {
    const project = await stage.project(plan.name, {
      ...(await example("fleet")),
      ".github/snowcat.yml": plan.yaml,
    });
    await startDeployRunner(stage.stack, lab, project, plan);
    return new Fleet(project, plan.machines);
  }

  machine(name: string): TestMachine {
    const machine = this.machines.get(name);
    expect(machine !== undefined, `there is a machine ${name}`);
    return machine;
  }

  /** What each machine runs, as it says itself, not over the network. */
  async running(): Promise<Record<string, string | null>> {
    const found: Record<string, string | null> = {};
    for (const [name, machine] of this.machines) found[name] = (await machine.truth()).running;
    return found;
  }

  /** How often anybody has connected to each machine's sshd, by the sshd's own log. */
  async connections(): Promise<Record<string, number>> {
    const found: Record<string, number> = {};
    for (const [name, { place }] of this.machines) {
      const log = await readFile(join(place.directory, "sshd.log"), "utf8");
      found[name] = log.split("\n").filter((line) => line.startsWith("Connection from ")).length;
    }
    return found;
  }

  /** What every machine has written of deploys that began there; empty before the first. */
  async journals(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const [name, machine] of this.machines)
      found[name] = await machine.shell("sh", "-c", "cat /var/lib/snowcat/journal || :");
    return found;
  }

  /** What the machine's site answers. */
  async page(name: string): Promise<string> {
    const { address } = this.machine(name).target;
    const response = await fetch(`http://${address}/`, { signal: AbortSignal.timeout(10_000) });
    return `${response.status} ${(await response.text()).trim()}`;
  }
}

type Plan = {
  /** Of the repository, and in that of the runner. */
  name: string;
  machines: ReadonlyMap<string, TestMachine>;
  yaml: string;
  /** What the runner's policy says of a machine beyond the usual. */
  policies: Readonly<Record<string, object>>;
  toolFolder: string | null;
};

const sites = new WeakMap<Stack, Promise<Fleet>>();
const tooled = new WeakMap<Stack, Promise<Fleet>>();

async function once(
  kept: WeakMap<Stack, Promise<Fleet>>,
  { stack }: Stage,
  make: (lab: Lab) => Promise<Fleet>,
): Promise<Fleet> {
  const begin = async () => {
    const lab = await startLab();
    stack.atEnd(() => lab.close());
    return await make(lab);
  };
  const fleet = kept.get(stack) ?? begin();
  kept.set(stack, fleet);
  return await fleet;
}

/** A machine that runs and boots what the example says of it. */
async function installed(lab: Lab, name: string): Promise<TestMachine> {
  const own =
    name === "machine1"
      ? '{ domain = "machine1.example.org"; page = "of before"; }'
      : `import ${EXAMPLES}/fleet/machines/${name}/configuration.nix`;
  const [system = ""] = await lab.builder.expression(
    `(import ${EXAMPLES}/fleet/nix/system.nix ({ name = "${name}"; system = "x86_64-linux"; } // ${own})).config.system.build.toplevel`,
  );
  // In namespaces of its own it cannot make those of a sandbox, and one by krops builds by itself.
  const env = name === "machine1" ? { NIX_CONFIG: "sandbox = false" } : {};
  const before = { ...lab.env };
  Object.assign(lab.env, env);
  const machine = await lab.machine({ name, system });
  if (before["NIX_CONFIG"] === undefined) delete lab.env["NIX_CONFIG"];
  return machine;
}

/** As its operator prepares it, once: a place for sources, its own nixos-rebuild, and on the runner what git ignores. */
async function prepareKrops(machine: TestMachine | undefined): Promise<string> {
  if (machine === undefined) throw new Error("there is no machine for krops");
  const { directory } = machine.place;
  await mkdir(join(directory, "root/bin"), { recursive: true });
  await cp(
    join(EXAMPLES, "fleet/nix/nixos/nixos-rebuild.sh"),
    join(directory, "root/bin/nixos-rebuild"),
  );
  await mkdir(join(directory, "var-lib/src"), { recursive: true });
  await writeFile(join(directory, "var-lib/src/.populate"), "");
  const overlay = await mkdtemp("/var/tmp/snowcat-overlay-");
  await cp(join(EXAMPLES, "fleet-overlay"), overlay, { recursive: true });
  const krops = await readFile(join(overlay, "krops.nix"), "utf8");
  await writeFile(
    join(overlay, "krops.nix"),
    krops.replaceAll("deploy { name", `deploy { path = "${SOURCES}"; name`),
  );
  return overlay;
}

/** Addresses are the machines' own: the example's names are in no DNS. */
function siteYaml(machines: ReadonlyMap<string, TestMachine>): string {
  const each = [...machines].map(([name, { target }], at) => {
    const tags = at === 0 ? "[site, canary]" : "[site, rest]";
    return `  ${name}: { tags: ${tags}, domain: ${target.address} }\n`;
  });
  return `version: 1
evaluate:
  - { flake: ., attributes: [nixosConfigurations], systems: [x86_64-linux] }
machines:
  discover: [nixosConfigurations]
  defaults:
    method: plain
    health:
      - { http: "http://\${domain}/", grace_seconds: 3, interval_seconds: 1 }
      - { unit: nginx.service, grace_seconds: 3, interval_seconds: 1 }
${each.join("")}rollouts:
  site: { stages: [{ targets: ["tag:canary"] }, { targets: ["tag:rest"], parallel: 2 }] }
`;
}

function toolsYaml(machines: ReadonlyMap<string, TestMachine>): string {
  const address = (name: string) => machines.get(name)?.target.address;
  return `version: 1
evaluate:
  - { flake: ., attributes: [nixosConfigurations], systems: [x86_64-linux] }
machines:
  discover: [nixosConfigurations, clan]
  defaults:
    health: [{ unit: nginx.service, grace_seconds: 3, interval_seconds: 1 }]
  vault1: { domain: ${address("vault1")} }
  machine1:
    method: krops
    domain: ${address("machine1")}
    krops:
      local: build-local.nix
      sentinel: ${SOURCES}/.populate
      sources:
        - { from: lnbits, to: ${SOURCES}/lnbits-src, files: [flake.nix, flake.lock, uv.lock] }
`;
}

/** A runner of the pool, with a policy as its operator would write it. */
async function startDeployRunner(
  stack: Stack,
  lab: Lab,
  project: Project,
  { name, machines, policies, toolFolder }: Plan,
): Promise<void> {
  const directory = await mkdtemp("/var/tmp/snowcat-deploy-");
  stack.atEnd(() => rm(directory, { recursive: true, force: true }));
  await chmod(directory, 0o755);
  const file = join(directory, "policy.json");
  const identityFile = join(directory, "identity");
  const { id } = project.repository;
  const policy = (key: string | null) =>
    writeFile(
      file,
      JSON.stringify({
        machines: Object.fromEntries(
          [...machines].map(([machine, { target }]) => [
            machine,
            {
              address: target.address,
              port: target.port,
              hostKey: target.hostPublicKey,
              identityFile,
              repositories: [{ host: "github.com", id, machine, refs: ["refs/heads/*"] }],
              ...policies[machine],
            },
          ]),
        ),
        builders: key === null ? [] : [{ name: "this runner", key }],
        healthHosts: [...machines.values()].map(({ target }) => ({
          host: target.address,
          port: 80,
        })),
      }),
    );
  await policy(null);
  const tools = join(directory, "tools");
  if (toolFolder !== null) await cp(toolFolder, tools, { recursive: true });
  const runner = await stack.addRunner({
    name: `deploy-${name}`,
    pool: "deploy",
    configuration: { deployPolicy: file, toolFolder: toolFolder === null ? null : tools },
  });
  // What it was enrolled with, and the key that it logs in with.
  const agent = join(runner.stateDirectory, "agent");
  await policy(publicKeyOf(createPrivateKey(await readFile(join(agent, "key.pem"), "utf8"))));
  await copyFile(lab.identityFile, identityFile);
  const { uid, gid } = await stat(agent);
  await chown(identityFile, uid, gid);
  for (const one of Object.values(policies)) {
    const overlay = (one as { krops?: { overlay: string } }).krops?.overlay;
    if (overlay === undefined) continue;
    stack.atEnd(() => rm(overlay, { recursive: true, force: true }));
    await execute("chown", ["-R", `${uid}:${gid}`, overlay]);
  }
}
