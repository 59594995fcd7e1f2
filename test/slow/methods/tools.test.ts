import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { MachineOutcome } from "../../../src/protocol/machine.ts";
import type { ToolWork } from "../../../src/protocol/tool.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { deployOne } from "../../../src/runner/deploy/deployer.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { plainIsolation } from "../../../src/runner/isolation/isolation.ts";
import { connectMachine } from "../../../src/runner/machine/index.ts";
import { workOn } from "../../faults/deploy/deploying.ts";
import type { Lab } from "../../machines/lab.ts";
import type { TestMachine } from "../../machines/machine.ts";
import { onMachines } from "../../machines/suite.ts";
import { type SystemSpec, specsText } from "../../machines/systems.ts";

/** `clan` and `colmena` are stand-ins that do to a machine what the tools do, and lie as they do; all else is the real thing. */

const TOOLS = join(import.meta.dirname, "../../machines/tools");
const SYSTEMS = join(import.meta.dirname, "../../machines/fixtures/systems.nix");
const unit = (command: string) => `[Service]\nType=oneshot\nExecStart=${command}\n`;

const specs = {
  old: { packages: { web: "1" }, units: { "web.service": unit("true") } },
  new: { packages: { web: "2" }, units: { "web.service": `${unit("true")}# 2\n` } },
  other: { packages: { web: "3" } },
  sick: { packages: { web: "4" }, units: { "web.service": unit("false") } },
  /** Where NixOS refuses to switch to it, before the boot entry. */
  inhibited: {
    packages: { web: "5" },
    onBoot: `if [ "$action" = switch ]; then echo "Pre-switch check 'switchInhibitors' failed"; exit 1; fi`,
  },
} satisfies Record<string, SystemSpec>;
type Name = keyof typeof specs;

const CLAN = { kind: "clan", directory: ".", machine: "web" } as const;
const COLMENA = { kind: "colmena", directory: ".", node: "web" } as const;
const DEPLOY_RS = { kind: "deploy-rs", directory: ".", node: "web", profile: "system" } as const;
const ALL = [CLAN, COLMENA, DEPLOY_RS];
/** As `deploy-rs.lib.….activate.nixos` makes it; Nix. */
const WRAPPER = `derivation {
  name = "activatable-web"; system = "x86_64-linux"; builder = "/bin/sh"; inherit wrapped;
  args = [ "-c" ''
    mkdir -p $out/bin
    ln -s $wrapped/activate $out/activate
    ln -s $wrapped/bin/switch-to-configuration $out/bin/switch-to-configuration
    printf '%s\\n' '#!/bin/sh' 'package=$2 profile=$4 goal=$5' 'nix-env -p "$profile" --set "$package" || exit 1' \\
      '"$package/bin/switch-to-configuration" "$goal" || { echo "The activation script resulted in a bad exit code: Some($?)" >&2; exit 1; }' > $out/activate-rs
    chmod +x $out/activate-rs
  '' ];
}`;
const LIMITS = { activationSeconds: 40, confirmationSeconds: 30, connectSeconds: 5 };

/** No isolation, but the lab's store at /nix, where tools look for it. */
function withStore({ env, builder }: Lab): Isolation {
  const plain = plainIsolation({ PATH: env["PATH"] ?? "" });
  const store = (builder.source.url ?? "").replace("local?root=", "");
  const mounted = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /nix && exec "$@"'];
  return {
    ...plain,
    async openJob(label, ways) {
      const job = await plain.openJob(label, ways);
      const [first = "", ...rest] = mounted;
      return {
        ...job,
        run: (request) =>
          job.run({ ...request, argv: [first, ...rest, `${store}/nix`, ...request.argv] }),
      };
    },
  };
}

onMachines("a machine by a tool", specs, (bench) => {
  const folders: string[] = [];
  const before = { ...process.env };
  afterAll(async () => {
    process.env = before;
    for (const folder of folders) await rm(folder, { recursive: true });
  });

  /** A repository's tree whose flake says that `web` is `says`. */
  async function treeOf(says: Name, files: Record<string, string>): Promise<string> {
    const tree = await mkdtemp(join(tmpdir(), "snowcat-tree-"));
    folders.push(tree);
    await cp(SYSTEMS, join(tree, "systems.nix"));
    await writeFile(join(tree, "specs.json"), specsText(specs));
    const flake = `{ outputs = _: let wrapped = (import ./systems.nix { specs = builtins.readFile ./specs.json; }).${says}; in {
      nixosConfigurations.web.config.system.build.toplevel = wrapped;
      colmenaHive.toplevel.web = wrapped;
      deploy.nodes.web = { hostname = "node.invalid"; user = "root"; profiles.system.path = ${WRAPPER}; };
      clan.inventory.machines.web = { };
    }; }`;
    for (const [name, text] of Object.entries({ "flake.nix": flake, ...files }))
      await writeFile(join(tree, name), text);
    return tree;
  }

  async function deploy(
    machine: TestMachine,
    tool: Extract<ToolWork, { kind: "clan" | "colmena" | "deploy-rs" }>,
    wanted: Name,
    {
      says = wanted,
      files = {},
      counter = 1,
      expected = bench().systems.old,
      onStep = () => {},
    }: {
      says?: Name;
      files?: Record<string, string>;
      counter?: number;
      expected?: string | null;
      onStep?: (step: string) => void;
    } = {},
  ): Promise<{ outcome: MachineOutcome; log: string[] }> {
    const { lab, systems } = bench();
    for (const name of ["PATH", "NIX_CONF_DIR"]) process.env[name] = lab.env[name];
    const one = await workOn(lab, machine.target, systems[wanted], {
      expected,
      limits: LIMITS,
      counter,
    });
    const { sha, ref } = one.work;
    const source = { cloneUrl: "https://git.test/fleet", ref, sha, tree: sha, revision: false };
    const log: string[] = [];
    const outcome = await deployOne(
      {
        connect: connectMachine,
        store: lab.builder.source,
        env: lab.env,
        clock: systemClock,
        tools: { isolation: withStore(lab), toolFolder: TOOLS },
      },
      {
        ...one,
        work: { ...one.work, method: tool.kind, tool, source },
        layOut: async (workspace) => {
          const tree = join(workspace.directory, "tree");
          await mkdir(tree);
          await cp(await treeOf(says, files), tree, { recursive: true });
          return { kind: "tree", tree };
        },
        signal: new AbortController().signal,
        seal: () => true,
        step: async (step) => {
          log.push(`step: ${step}`);
          onStep(step);
        },
        observed: async () => {},
        say: (line) => void log.push(line),
      },
    );
    return { outcome, log };
  }

  const connections = async ({ place }: TestMachine): Promise<number> => {
    const log = await readFile(join(place.directory, "sshd.log"), "utf8");
    return log.split("\n").filter((line) => line.startsWith("Connection from ")).length;
  };

  test.each(ALL)("$kind puts the approved system there, and it boots", async (tool) => {
    const { systems } = bench();
    const { machine } = await bench().machine("old");
    const { outcome, log } = await deploy(machine, tool, "new");
    expect(outcome, log.join("\n")).toMatchObject({ kind: "active", system: systems.new });
    expect(await machine.truth()).toMatchObject({ running: systems.new, boots: systems.new });
  });

  test.each(ALL)("$kind that would deploy another system touches nothing", async (tool) => {
    const { systems } = bench();
    const { machine } = await bench().machine("old");
    const { outcome } = await deploy(machine, tool, "new", { says: "other" });
    expect(outcome).toMatchObject({ kind: "failed-untouched", step: "build" });
    expect(JSON.stringify(outcome)).toMatch(
      new RegExp(`would deploy .*${systems.other}.*${systems.new}`, "u"),
    );
    expect(await machine.truth()).toMatchObject({ running: systems.old, profile: systems.old });
  });

  test.each([
    { tool: CLAN, lie: "passed-over" },
    { tool: COLMENA, lie: "skipped" },
  ])("$tool.kind: a machine that is $lie with exit code 0 is no success", async ({ tool, lie }) => {
    const { systems } = bench();
    const { machine } = await bench().machine("old");
    const { outcome, log } = await deploy(machine, tool, "new", { files: { lie } });
    expect(outcome, log.join("\n")).toMatchObject({ kind: "failed-untouched", step: "activate" });
    expect(await machine.truth()).toMatchObject({ running: systems.old, profile: systems.old });
    // The machine is free for the next.
    const next = await deploy(machine, tool, "new", { counter: 2 });
    expect(next.outcome, next.log.join("\n")).toMatchObject({ kind: "active" });
  });

  test.each([
    { tool: CLAN, lie: "nothing" },
    { tool: CLAN, lie: "half" },
    { tool: COLMENA, lie: "half" },
    { tool: DEPLOY_RS, lie: "nothing" },
  ])(
    "$tool.kind did $lie, with exit code 0: profile and boot entry go back too",
    async ({ tool, lie }) => {
      const { systems } = bench();
      const { machine } = await bench().machine("old");
      const { outcome, log } = await deploy(machine, tool, "new", { files: { lie } });
      expect(outcome, log.join("\n")).toMatchObject({ kind: "rolled-back", running: systems.old });
      expect(await machine.truth()).toMatchObject({
        running: systems.old,
        boots: systems.old,
        profile: systems.old,
      });
    },
  );

  test.each(ALL)("$kind: units that fail are no success, whatever it says", async (tool) => {
    const { systems } = bench();
    const { machine } = await bench().machine("old");
    const { outcome, log } = await deploy(machine, tool, "sick");
    expect(outcome, log.join("\n")).toMatchObject({
      kind: "rolled-back",
      failedUnits: ["web.service"],
    });
    expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });
  });

  test.each(ALL)(
    "CLAN-5: $kind, refused by switch inhibitors, boots the new system next",
    async (tool) => {
      const { systems } = bench();
      const { machine } = await bench().machine("old");
      const { outcome, log } = await deploy(machine, tool, "inhibited");
      expect(outcome, log.join("\n")).toMatchObject({
        kind: "needs-reboot",
        system: systems.inhibited,
      });
      expect(await machine.truth()).toMatchObject({
        running: systems.old,
        boots: systems.inhibited,
        profile: systems.inhibited,
      });
    },
  );

  test("CLAN-4: secrets that lack are told before the machine hears of anything but a look", async () => {
    const { machine } = await bench().machine("old");
    const heard = await connections(machine);
    const { outcome } = await deploy(machine, CLAN, "new", { files: { lacking: "'id'\n" } });
    expect(outcome).toMatchObject({
      kind: "not-prepared",
      missing: ["Secret var 'id' for service 'ssh' in machine web is missing."],
    });
    expect((await connections(machine)) - heard).toBeLessThanOrEqual(2);
  });

  test("CLAN-4: what it generated on this runner is taken back", async () => {
    const { systems } = bench();
    const { machine } = await bench().machine("old");
    const { outcome, log } = await deploy(machine, CLAN, "new", { files: { lie: "generates" } });
    // The tree that clan evaluates is another one by then.
    expect(outcome, log.join("\n")).toMatchObject({ kind: "rolled-back" });
    expect(JSON.stringify(outcome)).toContain("clan changed the checkout");
    expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });
  });

  test("CLAN-5: clan updates one machine at a time, colmena as many as are asked for", async () => {
    const [first, second] = [await bench().machine("old"), await bench().machine("old")];
    const order: string[] = [];
    const both = async (tool: typeof CLAN | typeof COLMENA, wanted: Name, counter: number) => {
      order.length = 0;
      await Promise.all(
        [first, second].map(async ({ machine }, at) => {
          const { outcome, log } = await deploy(machine, tool, wanted, {
            counter,
            expected: null,
            onStep: (step) => void order.push(`${at} ${step}`),
          });
          expect(outcome, log.join("\n")).toMatchObject({ kind: "active" });
          order.push(`${at} ended`);
        }),
      );
      return order.map((line) => line.split(" ")[0]).join("");
    };
    expect(await both(CLAN, "new", 1)).toMatch(/^(?:0+1+|1+0+)$/u);
    expect(await both(COLMENA, "other", 2)).not.toMatch(/^(?:0+1+|1+0+)$/u);
  });

  test("killed half-way, the machine goes back by itself", async () => {
    const { systems } = bench();
    const { machine } = await bench().machine("old");
    const { outcome, log } = await deploy(machine, CLAN, "new", { files: { lie: "dies" } });
    expect(outcome, log.join("\n")).toMatchObject({ kind: "rolled-back", running: systems.old });
    expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });
  });
});
