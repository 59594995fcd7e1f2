import { createPrivateKey } from "node:crypto";
import { chmod, chown, copyFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { publicKeyOf } from "../../src/runner/enrolment/identity.ts";
import { type Lab, startLab } from "../machines/lab.ts";
import type { TestMachine } from "../machines/machine.ts";
import type { RunningRunner } from "../support/runner.ts";
import type { Stack } from "../support/stack.ts";
import { example } from "./scenarios/example.ts";
import { nix, type Tree } from "./scenarios/flakes.ts";
import { expect } from "./scenario.ts";
import type { Project, Stage } from "./stage.ts";

/** Of `nix/examples/fleet`: those that are plain NixOS, the canary first. */
export const SITE = ["web1", "web2", "web3", "db1", "monitor1"] as const;
const REPOSITORY = "fleet";
const EXAMPLE = resolve(import.meta.dirname, "../../nix/examples/fleet");

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

  /** The stack's one fleet: made for the first story that asks, and gone with the stack. */
  static async of(stage: Stage): Promise<Fleet> {
    const { stack } = stage;
    const fleet = fleets.get(stack) ?? Fleet.#start(stage);
    fleets.set(stack, fleet);
    return await fleet;
  }

  static async #start(stage: Stage): Promise<Fleet> {
    const { stack } = stage;
    const lab = await startLab();
    stack.atEnd(() => lab.close());
    const machines = await installed(lab);
    const project = await stage.project(REPOSITORY, {
      ...(await example("fleet")),
      ".github/snowcat.yml": configurationOf(machines),
    });
    await startDeployRunner(stack, lab, project, machines);
    return new Fleet(project, machines);
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

const fleets = new WeakMap<Stack, Promise<Fleet>>();

/** Machines that run and boot what the example says of them. */
async function installed(lab: Lab): Promise<Map<string, TestMachine>> {
  const machines = new Map<string, TestMachine>();
  for (const name of SITE) {
    const [system = ""] = await lab.builder.expression(
      `(import ${EXAMPLE}/nix/system.nix ({ name = "${name}"; system = "x86_64-linux"; } // import ${EXAMPLE}/machines/${name}/configuration.nix)).config.system.build.toplevel`,
    );
    machines.set(name, await lab.machine({ name, system }));
  }
  return machines;
}

/** Addresses are the machines' own: the example's names are in no DNS. */
function configurationOf(machines: ReadonlyMap<string, TestMachine>): string {
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

/** A runner of the pool, with a policy as its operator would write it. */
async function startDeployRunner(
  stack: Stack,
  lab: Lab,
  project: Project,
  machines: ReadonlyMap<string, TestMachine>,
): Promise<RunningRunner> {
  const directory = await mkdtemp("/var/tmp/snowcat-deploy-");
  stack.atEnd(() => rm(directory, { recursive: true, force: true }));
  await chmod(directory, 0o755);
  const file = join(directory, "policy.json");
  const identityFile = join(directory, "identity");
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
              repositories: [
                { host: "github.com", id: project.repository.id, machine, refs: ["refs/heads/*"] },
              ],
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
  const runner = await stack.addRunner({
    name: "deploy",
    pool: "deploy",
    configuration: { deployPolicy: file },
  });
  // What it was enrolled with, and the key that it logs in with.
  const agent = join(runner.stateDirectory, "agent");
  await policy(publicKeyOf(createPrivateKey(await readFile(join(agent, "key.pem"), "utf8"))));
  await copyFile(lab.identityFile, identityFile);
  const { uid, gid } = await stat(agent);
  await chown(identityFile, uid, gid);
  return runner;
}
