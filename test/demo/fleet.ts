import { createPrivateKey } from "node:crypto";
import { chmod, chown, copyFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { publicKeyOf } from "../../src/runner/enrolment/identity.ts";
import { type Lab, startLab } from "../machines/lab.ts";
import type { TestMachine } from "../machines/machine.ts";
import type { RunningRunner } from "../support/runner.ts";
import type { Project, Stage } from "./stage.ts";

const SYSTEMS = resolve(import.meta.dirname, "../machines/fixtures/systems.nix");

/** A system in the shape of NixOS's, with one package. */
const spec = (name: string, version: string) => ({
  name,
  packages: { app: version },
  units: {},
  onDry: "",
  onActivate: "",
  onEnd: "",
  onBoot: "",
  network: true,
  interface: "2",
  kernel: "6.1",
  mebibytes: 0,
});

/** A flake of these machines, each with the package in this version. */
export async function flakeOf(
  names: readonly string[],
  version: string,
): Promise<Record<string, string>> {
  return {
    "systems.nix": await readFile(SYSTEMS, "utf8"),
    "specs.json": JSON.stringify(
      Object.fromEntries(names.map((name) => [name, spec(name, version)])),
    ),
    "flake.nix": `{
  outputs = { self }: {
    nixosConfigurations = builtins.mapAttrs
      (_: system: { pkgs.system = "x86_64-linux"; config.system.build.toplevel = system; })
      (import ./systems.nix { specs = builtins.readFile ./specs.json; });
  };
}
`,
  };
}

/** Machines behind ssh, the repository that they are of, and the runner that may change them. */
export class Fleet {
  readonly project: Project;
  readonly runner: RunningRunner;
  readonly machines: ReadonlyMap<string, TestMachine>;
  readonly #lab: Lab;
  readonly #directory: string;

  private constructor(
    project: Project,
    runner: RunningRunner,
    machines: ReadonlyMap<string, TestMachine>,
    lab: Lab,
    directory: string,
  ) {
    this.project = project;
    this.runner = runner;
    this.machines = machines;
    this.#lab = lab;
    this.#directory = directory;
  }

  static async start(stage: Stage, name: string, names: readonly string[], yaml: string) {
    const lab = await startLab();
    const systems = await lab.builder.build(
      Object.fromEntries(names.map((one) => [one, spec(one, "1")])),
    );
    const machines = new Map<string, TestMachine>();
    for (const one of names)
      machines.set(one, await lab.machine({ name: one, system: systems[one] ?? "" }));
    const project = await stage.project(name, {
      ...(await flakeOf(names, "1")),
      ".github/snowcat.yml": yaml,
    });
    const directory = await mkdtemp("/var/tmp/snowcat-deploy-");
    await chmod(directory, 0o755);
    const policy = (key: string | null) =>
      writeFile(
        join(directory, "policy.json"),
        JSON.stringify({
          machines: Object.fromEntries(
            [...machines].map(([one, { target }]) => [
              one,
              {
                address: target.address,
                port: target.port,
                hostKey: target.hostPublicKey,
                identityFile: join(directory, "identity"),
                repositories: [
                  {
                    host: "github.com",
                    id: project.repository.id,
                    machine: one,
                    refs: ["refs/heads/*"],
                  },
                ],
              },
            ]),
          ),
          builders: key === null ? [] : [{ name: "deploy", key }],
        }),
      );
    await policy(null);
    const runner = await stage.stack.addRunner({
      name: "deploy",
      pool: "deploy",
      configuration: { deployPolicy: join(directory, "policy.json") },
    });
    // As its operator would: what it was enrolled with, and the key that it logs in with.
    const agent = join(runner.stateDirectory, "agent");
    await policy(publicKeyOf(createPrivateKey(await readFile(join(agent, "key.pem"), "utf8"))));
    await copyFile(lab.identityFile, join(directory, "identity"));
    const { uid, gid } = await stat(agent);
    await chown(join(directory, "identity"), uid, gid);
    return new Fleet(project, runner, machines, lab, directory);
  }

  /** What the machine itself says that it runs. */
  async runs(name: string): Promise<string | null> {
    return (await this.machines.get(name)?.truth())?.running ?? null;
  }

  /** The runner goes too: what another one of its pool has built its policy would not believe. */
  async close(): Promise<void> {
    await this.runner.stop();
    await this.#lab.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
