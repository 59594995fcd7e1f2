import { createPrivateKey } from "node:crypto";
import { chmod, chown, copyFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { publicKeyOf } from "../../../src/runner/enrolment/identity.ts";
import { Conversation } from "../../demo/conversation.ts";
import { eventually, type Project } from "../../demo/stage.ts";
import { onStack } from "../../e2e/suite.ts";
import { type Lab, startLab } from "../../machines/lab.ts";
import type { TestMachine } from "../../machines/machine.ts";
import type { RunningRunner } from "../../support/runner.ts";

/** Deploys as people ask for them, from the comment to the machine: everything is real but GitHub. */

const SYSTEMS = resolve(import.meta.dirname, "../../machines/fixtures/systems.nix");
/** A system in the shape of NixOS's, with one package. */
const spec = (version: string) => ({
  name: "web1",
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
/** A flake of one machine. */
const fleet = async (version: string) => ({
  "systems.nix": await readFile(SYSTEMS, "utf8"),
  "specs.json": JSON.stringify({ web1: spec(version) }),
  "flake.nix": `{
  outputs = { self }: {
    nixosConfigurations = builtins.mapAttrs
      (_: system: { pkgs.system = "x86_64-linux"; config.system.build.toplevel = system; })
      (import ./systems.nix { specs = builtins.readFile ./specs.json; });
  };
}
`,
});
const WAITS = 240_000;

onStack("deploys by command", { slots: 2 }, (at) => {
  let lab: Lab;
  let directory: string;
  let web1: TestMachine;
  let before: string;
  let project: Project;
  let runner: RunningRunner;

  beforeAll(async () => {
    lab = await startLab();
    const { web1: system } = await lab.builder.build({ web1: spec("1") });
    before = system;
    web1 = await lab.machine({ name: "web1", system });
    project = await at.stage.project("fleet", {
      ...(await fleet("1")),
      ".github/snowcat.yml": "machines: { web1: { method: plain, health: [] } }\n",
    });
    directory = await mkdtemp("/var/tmp/snowcat-deploy-");
    await chmod(directory, 0o755);
    const policy = (key: string | null) =>
      writeFile(
        join(directory, "policy.json"),
        JSON.stringify({
          machines: {
            web1: {
              address: web1.target.address,
              port: web1.target.port,
              hostKey: web1.target.hostPublicKey,
              identityFile: join(directory, "identity"),
              repositories: [
                {
                  host: "github.com",
                  id: project.repository.id,
                  machine: "web1",
                  refs: ["refs/heads/*"],
                },
              ],
            },
          },
          builders: key === null ? [] : [{ name: "deploy", key }],
        }),
      );
    await policy(null);
    runner = await at.stack.addRunner({
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
  }, WAITS);
  afterAll(async () => {
    await lab?.close();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  const running = async () => (await web1.truth()).running;
  const succeeds = async (head: string, name: string) => {
    const found = await checked(head, name);
    expect(found?.conclusion, JSON.stringify(found)).toBe("success");
  };
  const checked = async (head: string, name: string) => {
    const seen = () =>
      at.stage.github
        .checkRuns(project.repository, head)
        .filter((run) => run.name === name)
        .map(({ conclusion, output }) => ({ conclusion, title: output?.title, text: output }));
    await eventually(
      () => seen().some(({ conclusion }) => conclusion !== null),
      `${name} of ${head} is completed`,
      async () => ({ seen: seen(), runner: runner.lines.slice(-30), ...(await at.stage.state()) }),
      WAITS,
    );
    return seen().at(-1);
  };

  test(
    "a lock, a plan, a deploy and the way back, on a machine behind ssh",
    async () => {
      const head = await project.push("feature", await fleet("2"));
      const { pull } = await project.openPull("feature", "Change");
      expect((await project.judged(head)).get("snowcat")).toBe("success");
      const talk = new Conversation(project, pull.number);
      await talk.say("/lock web1 mine", ["eyes", "+1"]);
      await talk.say(`/plan web1 ${head}`, ["eyes", "+1"]);
      await succeeds(head, "snowcat / plan");
      expect(await running()).toBe(before);
      await talk.say(`/deploy web1 ${head}`, ["eyes", "+1"]);
      await succeeds(head, "snowcat / deploy");
      const after = await running();
      expect(after).not.toBe(before);
      await talk.say("/unlock web1", ["eyes", "+1"]);
      await talk.say("/rollback web1", ["eyes", "+1"]);
      await succeeds(head, "snowcat / rollback");
      expect(await running()).toBe(before);
    },
    3 * WAITS,
  );
});
