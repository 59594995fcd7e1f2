import { createHash } from "node:crypto";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DeployWork } from "../../../src/protocol/machine.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { deployOne } from "../../../src/runner/deploy/deployer.ts";
import type { LayOut } from "../../../src/runner/deploy/methods/place.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { startIsolation } from "../../../src/runner/isolation/index.ts";
import { connectMachine } from "../../../src/runner/machine/index.ts";
import { workOn } from "../../faults/deploy/deploying.ts";
import { onMachines } from "../../machines/suite.ts";
import { isolationForTest, whyNot } from "../../runner/isolation/support.ts";

const specs = {
  old: { packages: { hello: "1.0" } },
  new: { packages: { hello: "2.0" } },
  other: { packages: { hello: "3.0" } },
};
const LIMITS = { activationSeconds: 40, confirmationSeconds: 40, connectSeconds: 10 };

/** Tools that are stand-ins and really change a machine, over the way that a place gives them. */
onMachines("a tool on a machine", specs, (bench) => {
  let folder: string;
  beforeAll(async () => {
    // Every job has a /tmp of its own.
    folder = await mkdtemp("/var/tmp/snowcat-tools-");
    await chmod(folder, 0o755);
  });
  afterAll(() => rm(folder, { recursive: true }));
  const tool = async (name: string, text: string): Promise<void> => {
    await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(folder, name), 0o755);
  };

  const kinds = whyNot() === null ? (["isolated", "none"] as const) : (["none"] as const);
  describe.each(kinds)("isolation %s", (kind) => {
    let isolation: Isolation;
    let close: () => Promise<void>;
    beforeAll(async () => {
      if (kind === "none") {
        isolation = await startIsolation({ kind: "none" });
        close = () => isolation.close();
        return;
      }
      const own = await isolationForTest({ egress: [], readOnlyPaths: [folder] });
      ({ isolation } = own);
      close = () => own.close();
    });
    afterAll(() => close());

    const deploy = async (
      changes: Partial<DeployWork>,
      files: Record<string, string> = {},
      secrets: { name: string; content: string; variable?: string }[] = [],
    ) => {
      const { lab, systems } = bench();
      const { machine } = await bench().machine("old");
      const one = await workOn(lab, machine.target, systems.new, { limits: LIMITS });
      const log: string[] = [];
      const layOut: LayOut = async (workspace) => {
        const tree = posix.join(workspace.directory, "source");
        for (const [name, content] of Object.entries({ "flake.nix": "{ }", ...files }))
          await workspace.launch({
            argv: [
              "sh",
              "-c",
              'mkdir -p "$1" && cat > "$1/$2" && chmod 755 "$1/$2"',
              "sh",
              tree,
              name,
            ],
            network: "none",
            input: content,
          });
        return { kind: "tree", tree };
      };
      const outcome = await deployOne(
        {
          connect: connectMachine,
          store: lab.builder.source,
          env: lab.env,
          clock: systemClock,
          tools: { isolation, toolFolder: folder },
        },
        {
          ...one,
          manifest: changes.action?.kind === "source" ? null : one.manifest,
          work: { ...one.work, ...changes },
          layOut,
          secrets,
          signal: new AbortController().signal,
          seal: () => true,
          step: async () => {},
          observed: async () => {},
          say: (line) => void log.push(line),
        },
      );
      return { outcome, machine, said: log.join("\n"), key: machine.target.identityFile };
    };
    const rebuild: Partial<DeployWork> = {
      method: "nixos-rebuild",
      tool: { kind: "nixos-rebuild", directory: ".", configuration: "web" },
    };
    /** Wherever it is told to go, the way leads to the machine of the policy. */
    const switches = (system: string, more = "") => `case $1 in
  build) ln -sfn ${bench().systems.new} result ;;
  test) ssh -o HostName=192.0.2.99 -p 1 somebody@elsewhere -- ${system}/bin/switch-to-configuration test || exit $?; ${more} ;;
esac`;

    test("activates over the place's way; Snowcat commits", async () => {
      const { systems } = bench();
      await tool("nixos-rebuild", switches(systems.new));
      const { outcome, machine, said } = await deploy(rebuild);
      expect(outcome, said).toMatchObject({ kind: "active", system: systems.new });
      expect(await machine.truth()).toMatchObject({ running: systems.new, boots: systems.new });
    });

    test("is taken back with profile and boot entry when it failed half way", async () => {
      const { systems } = bench();
      const half = `ssh x nix-env -p /nix/var/nix/profiles/system --set ${systems.new}; ssh x ${systems.new}/bin/switch-to-configuration boot; exit 1`;
      await tool("nixos-rebuild", switches(systems.new, half));
      const { outcome, machine, said } = await deploy(rebuild);
      expect(outcome, said).toMatchObject({ kind: "rolled-back", step: "activate" });
      expect(await machine.truth()).toMatchObject({ running: systems.old, boots: systems.old });
      expect((await machine.shell("cat", "/boot/entry")).trim()).toBe(systems.old);
    });

    test("that says 0 and did nothing is not believed", async () => {
      await tool("nixos-rebuild", `[ "$1" = test ] || ln -sfn ${bench().systems.new} result`);
      const { outcome, machine } = await deploy(rebuild);
      expect(outcome).toMatchObject({ kind: "rolled-back" });
      expect(await machine.truth()).toMatchObject({ running: bench().systems.old });
    });

    test("a command of the repository's deploys, and sees no key", async () => {
      const { systems } = bench();
      const work: Partial<DeployWork> = {
        method: "script",
        tool: { kind: "script", directory: ".", argv: ["./deploy"] },
        action: { kind: "source", tree: "b".repeat(40) },
      };
      const program = [
        "#!/bin/sh",
        'echo "keys: $(ssh-add -L | wc -l)"',
        `ssh "$SNOWCAT_HOST" ln -sfn ${systems.old} /run/by-script || exit 1`,
      ].join("\n");
      const { outcome, said, key, machine } = await deploy(work, { deploy: program });
      expect(outcome, said).toMatchObject({ kind: "active", system: systems.old });
      expect(said).toContain("keys: 1");
      expect((await machine.shell("readlink", "/run/by-script")).trim()).toBe(systems.old);
      if (kind === "none") return;
      const thief = await deploy(work, {
        deploy: `#!/bin/sh\ncat ${key} && exit 0\nssh-add -L > k && echo x | ssh-keygen -Y sign -n n -f k - && exit 0\nexit 7`,
      });
      expect(thief.outcome, thief.said).toMatchObject({
        kind: "rolled-back",
        why: expect.stringContaining("exited with 7") as string,
      });
    });

    test("is given the operator's secrets as files of its own, and of nobody's after it", async () => {
      const content = "what the operator keeps\n";
      const work: Partial<DeployWork> = {
        method: "script",
        tool: { kind: "script", directory: ".", argv: ["./deploy"] },
        action: { kind: "source", tree: "b".repeat(40) },
      };
      const program = [
        "#!/bin/sh",
        'echo "folder $SNOWCAT_SECRETS"; echo "count $(ls "$SNOWCAT_SECRETS" | wc -l)"; echo "named $TOKEN_FILE"',
        'echo "sum $(sha256sum < "$SNOWCAT_SECRETS/token")"; echo "mode $(stat -c %a "$SNOWCAT_SECRETS/token")"',
        'echo "on $(stat -f -c %T "$SNOWCAT_SECRETS")"',
        'env | grep -c "what the operator" | sed "s/^/seen in env /"',
      ].join("\n");
      const { outcome, said } = await deploy(work, { deploy: program }, [
        { name: "token", content, variable: "TOKEN_FILE" },
        { name: "path", content, variable: "PATH" },
      ]);
      expect(outcome, said).toMatchObject({ kind: "active" });
      expect(said).toContain("count 2");
      // Their paths by name, and none in the place of what every tool has.
      expect(said).toMatch(/named \/\S+\/token$/mu);
      expect(said).toContain(`sum ${createHash("sha256").update(content).digest("hex")}`);
      expect(said).toContain("mode 400");
      expect(said).toContain("seen in env 0");
      if (kind === "isolated") expect(said).toContain("on tmpfs");
      const folder = /folder (\S+)/u.exec(said)?.[1] ?? "";
      expect(folder).toMatch(/^\//u);
      if (kind === "none") expect(await readdir(folder).catch(() => [])).toEqual([]);
      const without = await deploy(work, { deploy: '#!/bin/sh\necho "[$SNOWCAT_SECRETS]"\n' });
      expect(without.said).toContain("[]");
    });
  });
});
