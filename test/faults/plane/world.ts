import { createPrivateKey } from "node:crypto";
import { chmod, chown, copyFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { publicKeyOf } from "../../../src/runner/enrolment/identity.ts";
import { Conversation } from "../../demo/conversation.ts";
import { example } from "../../demo/scenarios/example.ts";
import { nix, type Tree } from "../../demo/scenarios/flakes.ts";
import { eventually, type Project, Stage } from "../../demo/stage.ts";
import { type Lab, startLab } from "../../machines/lab.ts";
import type { TestMachine } from "../../machines/machine.ts";
import { exchangeFolder } from "../../support/exchange.ts";
import type { RunningRunner } from "../../support/runner.ts";
import { type Stack, startStack } from "../../support/stack.ts";

/** Evaluation, build, plan and deploy, on two busy cores (ms). */
const PATIENCE = 300_000;
const EXAMPLE = resolve(import.meta.dirname, "../../../nix/examples/fleet");
const MACHINES = ["web1", "web2", "web3", "db1"] as const;
export type MachineName = (typeof MACHINES)[number];

/** What a commit makes of a machine: what its site says, shell text of its activation. */
export type Change = { page: string; activation?: string };

/** A pull request whose head was judged good. */
export type Proposed = { project: Project; branch: string; head: string; talk: Conversation };

/** The whole of Snowcat: a Worker, a deploy runner, machines behind ssh, and two repositories that both may change them. */
export class PlaneWorld {
  readonly stack: Stack;
  readonly stage: Stage;
  readonly projects: readonly [Project, Project];
  readonly #machines: ReadonlyMap<MachineName, TestMachine>;

  /** Writes the policy of one of the deploy runners anew, with these machines, while it runs. */
  readonly name: Naming;

  private constructor(
    stack: Stack,
    projects: readonly [Project, Project],
    machines: ReadonlyMap<MachineName, TestMachine>,
    name: Naming,
  ) {
    this.stack = stack;
    this.name = name;
    this.stage = new Stage(stack);
    this.projects = projects;
    this.#machines = machines;
  }

  /** @param runners by which runners the machines are changed; one for all unless said otherwise. */
  static async open(runners: Runners = ONE): Promise<PlaneWorld> {
    const stack = await startStack();
    try {
      const stage = new Stage(stack);
      const lab = await startLab();
      stack.atEnd(() => lab.close());
      const machines = await installed(lab);
      const files = { ...(await example("fleet")), ".github/snowcat.yml": CONFIGURATION };
      const projects = [
        await stage.project("fleet", files),
        await stage.project("other-fleet", files),
      ] as const;
      const name = await startDeployRunners(stack, lab, projects, machines, runners);
      return new PlaneWorld(stack, projects, machines, name);
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.stack.stop();
  }

  machine(name: MachineName): TestMachine {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new Error(`there is no machine ${name}`);
    return machine;
  }

  /** A pull request that changes these machines. */
  async propose(
    project: Project,
    branch: string,
    machines: readonly MachineName[],
    change: Change,
  ): Promise<Proposed> {
    const head = await project.push(branch, changed(machines, change));
    const { pull } = await project.openPull(branch, change.page);
    const judged = await project.judged(head, { patience: PATIENCE });
    if (judged.get("snowcat") !== "success")
      throw new Error(`the head is not good: ${JSON.stringify(judged.seen())}`);
    return { project, branch, head, talk: new Conversation(project, pull.number) };
  }

  /** The check of a deploy, when it is completed. */
  async deployed({ project, head }: Proposed): Promise<{
    conclusion: string;
    title: string;
    text: string;
  }> {
    const check = () => project.checkRuns(head).findLast(({ name }) => name === "snowcat / deploy");
    await eventually(
      () => check()?.conclusion != null,
      `the deploy of ${project.repository.name} is over`,
      async () => ({ checks: project.checks(head).seen(), ...(await this.stage.state()) }),
      PATIENCE,
    );
    const { conclusion, output } = check() ?? {};
    return {
      conclusion: conclusion ?? "",
      title: output?.title ?? "",
      text: `${output?.summary ?? ""}\n${output?.text ?? ""}`,
    };
  }
}

/** Deploy runners by the machines that their policies name, and whether they share an exchange. */
export type Runners = { of: readonly (readonly MachineName[])[]; exchange: boolean };
type Naming = (runner: number, machines: readonly MachineName[]) => Promise<void>;
const ONE: Runners = { of: [MACHINES], exchange: false };

const CONFIGURATION = `version: 1
evaluate:
  - { flake: ., attributes: [nixosConfigurations], systems: [x86_64-linux] }
machines:
  discover: [nixosConfigurations]
  defaults: { method: plain, health: [{ unit: nginx.service, grace_seconds: 3, interval_seconds: 1 }] }
  web1: { tags: [pair] }
  web2: { tags: [pair] }
rollouts:
  pair: { stages: [web1, web2] }
`;

function changed(machines: readonly MachineName[], { page, activation = "" }: Change): Tree {
  return Object.fromEntries(
    machines.map((name) => [
      `machines/${name}/configuration.nix`,
      `{ domain = ${nix(`${name}.example.org`)}; page = ${nix(`${page} of ${name}`)}; activation = ${nix(activation)}; unitText = { }; }\n`,
    ]),
  );
}

async function installed(lab: Lab): Promise<Map<MachineName, TestMachine>> {
  const machines = new Map<MachineName, TestMachine>();
  for (const name of MACHINES) {
    const [system = ""] = await lab.builder.expression(
      `(import ${EXAMPLE}/nix/system.nix ({ name = "${name}"; system = "x86_64-linux"; } // import ${EXAMPLE}/machines/${name}/configuration.nix)).config.system.build.toplevel`,
    );
    machines.set(name, await lab.machine({ name, system }));
  }
  return machines;
}

async function startDeployRunners(
  stack: Stack,
  lab: Lab,
  projects: readonly Project[],
  machines: ReadonlyMap<MachineName, TestMachine>,
  { of, exchange }: Runners,
): Promise<Naming> {
  const directory = await mkdtemp("/var/tmp/snowcat-deploy-");
  stack.atEnd(() => rm(directory, { recursive: true, force: true }));
  await chmod(directory, 0o755);
  const folder = exchange ? await exchangeFolder(of.map((_, index) => `deploy-${index}`)) : null;
  if (folder !== null) stack.atEnd(() => folder.remove());
  const builders: { name: string; key: string }[] = [];
  const policies: ((names: readonly MachineName[]) => Promise<void>)[] = [];
  const runners: RunningRunner[] = [];
  for (const [index, first] of of.entries()) {
    const file = join(directory, `policy-${index}.json`);
    const identityFile = join(directory, `identity-${index}`);
    const policy = async (names: readonly MachineName[]) => {
      const entries = names.flatMap((machine) => {
        const target = machines.get(machine)?.target;
        if (target === undefined) return [];
        const { address, port, hostPublicKey: hostKey } = target;
        const repositories = projects.map(({ repository: { id } }) => ({
          host: "github.com",
          id,
          machine,
          refs: ["refs/heads/*"],
        }));
        return [[machine, { address, port, hostKey, identityFile, repositories }]];
      });
      await writeFile(file, JSON.stringify({ machines: Object.fromEntries(entries), builders }));
    };
    await policy(first);
    policies.push(policy);
    const runner = await stack.addRunner({
      name: `deploy-${index}`,
      pool: "deploy",
      configuration: {
        deployPolicy: file,
        ...(folder === null ? {} : { exchange: folder.configuration(index) }),
      },
    });
    runners.push(runner);
    const agent = join(runner.stateDirectory, "agent");
    const key = publicKeyOf(createPrivateKey(await readFile(join(agent, "key.pem"), "utf8")));
    builders.push({ name: `runner ${index}`, key });
    await copyFile(lab.identityFile, identityFile);
    const { uid, gid } = await stat(agent);
    await chown(identityFile, uid, gid);
  }
  // Each believes what any of them has built.
  for (const [index, policy] of policies.entries()) await policy(of[index] ?? []);
  return async (index, names) => {
    await policies[index]?.(names);
    await eventually(
      () =>
        runners[index]?.lines.some((line) => line.includes(`names ${names.length} machines now`)) ??
        false,
      `runner ${index} has seen its policy`,
      () => runners[index]?.lines.slice(-5),
    );
  };
}
