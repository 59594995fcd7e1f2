import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readConfiguration } from "../../../src/core/config/read.ts";
import { cannotRun } from "../../../scripts/test/missing.ts";
import { exampleStore, type Ended, type ExampleStore } from "./store.ts";

interface Outputs {
  derivations: { path: string[]; drv: string; system: string }[];
  apps: { path: string[]; program: string }[];
}

const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
const MINUTES = 60_000;

const reason =
  process.getuid?.() === 0
    ? cannotRun("nix", "busybox", "unshare")
    : "binding a store over /nix needs root";
let store: ExampleStore;
beforeAll(async () => {
  if (!reason) store = await exampleStore();
});
beforeEach((context) => {
  if (reason) context.skip(reason);
});
afterAll(async () => {
  if (!reason) await store[Symbol.asyncDispose]();
});

async function succeed(
  command: string[],
  options?: { cwd?: string; env?: Record<string, string> },
): Promise<string> {
  const ended = await store.run(command, options);
  expect(ended.code, `${command[0]}: ${ended.stderr.slice(-2_000)}`).toBe(0);
  return ended.stdout;
}

/** Replaces text that must be there. */
async function edit(file: string, changes: readonly (readonly [string, string])[]): Promise<void> {
  let text = await readFile(file, "utf8");
  for (const [from, to] of changes) {
    expect(text, file).toContain(from);
    text = text.replaceAll(from, to);
  }
  await writeFile(file, text);
}

async function outputsOf(folder: string): Promise<Outputs> {
  const list = resolve("test/runner/examples/outputs.nix");
  const args = [
    "--eval",
    "--read-write-mode",
    "--strict",
    "--json",
    list,
    "--argstr",
    "flake",
    `path:${folder}`,
  ];
  return JSON.parse(await succeed(["nix-instantiate", ...args])) as Outputs;
}

const flakes = [
  { name: "inventree", derivations: 53, apps: 0 },
  { name: "bitpoll", derivations: 11, apps: 6 },
  { name: "fleet", derivations: 10, apps: 0 },
];

describe.for(flakes)("$name", ({ name, derivations, apps }) => {
  test("evaluates on every system and builds on this one", { timeout: MINUTES }, async () => {
    const outputs = await outputsOf(await store.copy(name));
    expect(outputs.derivations).toHaveLength(derivations);
    expect(outputs.apps).toHaveLength(apps);
    const here = outputs.derivations.filter((output) => output.system === SYSTEM);
    expect(here.length).toBeGreaterThan(0);
    const built = await succeed([
      "nix-store",
      "--realise",
      ...new Set(here.map((output) => output.drv)),
    ]);
    expect(built.trim().split("\n").length).toBe(new Set(here.map((output) => output.drv)).size);
  });
});

describe("configuration", () => {
  test.for(["inventree", "fleet", "bitpoll", "csi"])("of %s is valid", async (name) => {
    const text = await readFile(resolve("nix/examples", name, ".github/snowcat.yml"), "utf8");
    expect(readConfiguration(text)).toMatchObject({ ok: true, configuration: { version: 1 } });
  });
});

describe("inventree", () => {
  const hashes = /sha256-[A-Za-z0-9+/]{43}=/gu;
  const fake = (letter: string): string => `sha256-${letter.repeat(42)}A=`;

  async function bumped(version: string): Promise<{ folder: string; stderr: string }> {
    const folder = await store.copy("inventree");
    const file = join(folder, "pkgs/src.nix");
    const [source = "", frontend = ""] = (await readFile(file, "utf8")).match(hashes) ?? [];
    await edit(file, [
      ["1.0.8", version],
      [source, fake("A")],
      [frontend, fake("B")],
    ]);
    const { code, stderr } = await store.run([
      "nix",
      "build",
      "--no-link",
      "--keep-going",
      `path:${folder}#src`,
    ]);
    expect(code).not.toBe(0);
    return { folder, stderr };
  }

  /** Builds again with the hashes that the failure names. */
  async function withHashesFrom(folder: string, stderr: string): Promise<Ended> {
    const got = [...stderr.matchAll(/specified: +(\S+)\s+got: +(\S+)/gu)].map(
      (match) => [match[1] ?? "", match[2] ?? ""] as const,
    );
    expect(got).toHaveLength(2);
    await edit(join(folder, "pkgs/src.nix"), got);
    return await store.run(["nix", "build", "--no-link", `path:${folder}#src`]);
  }

  test(
    "INV-3: a bump with two fake hashes reports both at once",
    { timeout: MINUTES },
    async () => {
      const { folder, stderr } = await bumped("1.1.12");
      expect(stderr.match(/got: +sha256-/gu)).toHaveLength(2);
      expect(stderr).toContain("InvenTree-source");
      expect(stderr).toContain("InvenTree-frontend-build.zip");
      expect(await withHashesFrom(folder, stderr)).toMatchObject({ code: 0 });
    },
  );

  test(
    "INV-6: 1.2.0 fails at the patch once its hashes are right",
    { timeout: MINUTES },
    async () => {
      const { folder, stderr } = await bumped("1.2.0");
      const built = await withHashesFrom(folder, stderr);
      expect(built.code).not.toBe(0);
      expect(built.stderr).toContain("applying /nix/store/");
      expect(built.stderr).toContain("Hunk 1 FAILED");
    },
  );
});

describe("bitpoll", () => {
  async function smoke(folder: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const out = (
      await succeed([
        "nix-build",
        "--no-out-link",
        "-E",
        "{ flake }: (builtins.getFlake flake).packages.x86_64-linux.default",
        "--argstr",
        "flake",
        `path:${folder}`,
      ])
    ).trim();
    return await store.run(["sh", `${out}/bin/bitpoll-manage`, "check"]);
  }

  test.runIf(SYSTEM === "x86_64-linux")(
    "BIT-4: a new Python builds, and only the smoke test fails",
    { timeout: MINUTES },
    async () => {
      const folder = await store.copy("bitpoll");
      expect(await smoke(folder)).toMatchObject({
        code: 0,
        stdout: "System check identified no issues (0 silenced).\n",
      });
      await edit(join(folder, "nix/python.nix"), [['version ? "3.12"', 'version ? "3.13"']]);
      expect(await smoke(folder)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("no module named django"),
      });
    },
  );
});

describe("csi", () => {
  const declared = [
    "kubenixApply.manifestJSONFile",
    "push",
    "pushImage",
    "integrationTest",
    "repoenv",
    "csi.x86_64-linux",
    "environments.x86_64-linux.cache",
    "environments.x86_64-linux.node",
  ];
  const args = ["--argstr", "local", "true", "--argstr", "system", "x86_64-linux"];

  test("CSI-1: what is declared evaluates; enumerating throws", { timeout: MINUTES }, async () => {
    const folder = await store.copy("csi");
    const wanted = [...declared, "environments.aarch64-linux.cache"].flatMap((name) => [
      "-A",
      name,
    ]);
    const drvs = (await succeed(["nix-instantiate", folder, ...wanted, ...args]))
      .trim()
      .split("\n");
    expect(drvs).toHaveLength(declared.length + 1);
    const all = await store.run(["nix-instantiate", folder, ...args]);
    expect(all.code).not.toBe(0);
    expect(all.stderr).toContain("default.nix was enumerated");
  });

  test.runIf(SYSTEM === "x86_64-linux")(
    "builds what is declared for this system; the manifest holds a public key",
    { timeout: MINUTES },
    async () => {
      const folder = await store.copy("csi");
      const paths = (
        await succeed([
          "nix-build",
          "--no-out-link",
          folder,
          ...declared.flatMap((name) => ["-A", name]),
          ...args,
        ])
      )
        .trim()
        .split("\n");
      expect(paths).toHaveLength(declared.length);
      const manifest = JSON.parse(await succeed(["cat", paths[0] ?? ""])) as {
        items: { kind: string; stringData?: { keys: string } }[];
      };
      expect(manifest.items.map((item) => item.kind)).toEqual([
        "StatefulSet",
        "DaemonSet",
        "Secret",
        "Namespace",
      ]);
      expect(manifest.items[2]?.stringData?.keys).toMatch(/^ssh-ed25519 /u);
    },
  );
});

describe("fleet with an operator's overlay", () => {
  test(
    "KRO-1, KRO-5: builds, refuses a machine without its sentinel, then deploys",
    { timeout: MINUTES },
    async () => {
      const folder = await store.copy("fleet", "fleet-overlay");
      const target = join(folder, "target");
      const build = (
        await succeed(["nix-build", "--no-out-link", "build-local.nix", "-A", "machine1"], {
          cwd: folder,
        })
      ).trim();
      await succeed(["sh", `${build}/bin/build-machine1`], { cwd: folder });
      expect(await readFile(join(folder, "build/machine1/dist/index.html"), "utf8")).toContain(
        "SITE=machine1",
      );

      const deploy = (
        await succeed(["nix-build", "--no-out-link", "krops.nix", "-A", "machine1"], {
          cwd: folder,
        })
      ).trim();
      const options = { env: { TARGET_ROOT: target } };
      const refused = await store.run(["sh", deploy], options);
      expect(refused).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("missing sentinel file"),
      });
      await mkdir(join(target, "machine1/var/src"), { recursive: true });
      await writeFile(join(target, "machine1/var/src/.populate"), "");
      expect(await succeed(["sh", deploy], options)).toContain("deployed machine1");
      expect(
        await readFile(join(target, "machine1/var/src/lnbits-src/flake.lock"), "utf8"),
      ).toContain('"version": 7');

      // The target builds its system by itself, of nothing but what was put there.
      const sources = join(target, "machine1/var/src");
      const system = (
        await succeed([
          "nix-build",
          "--no-out-link",
          "-I",
          sources,
          join(sources, "nixos/deployed.nix"),
          "--argstr",
          "name",
          "machine1",
        ])
      ).trim();
      expect(await succeed(["cat", `${system}/etc/hosts`])).toContain("app.machine1.example.org");
      expect(await succeed(["cat", `${system}/activate`])).toContain(`systemConfig=${system}`);
    },
  );
});

describe("many", () => {
  const cases = [
    { n: 23, failures: 7, shape: "flat", broken: false, invalid: 7 },
    { n: 12, failures: 0, shape: "shared", broken: true, invalid: 12 },
    { n: 12, failures: 1, shape: "chain", broken: false, invalid: 12 },
    { n: 30, failures: 2, shape: "layers", broken: false, invalid: 5 },
  ];

  test.for(cases)(
    "$n $shape, $failures failing: $invalid are not built",
    { timeout: MINUTES },
    async (wanted) => {
      const folder = await store.copy("many");
      const seed = `${wanted.shape}-test`;
      for (const [file, value] of Object.entries({
        n: wanted.n,
        failures: wanted.failures,
        shape: wanted.shape,
        broken: wanted.broken,
        seed,
      })) {
        await writeFile(join(folder, file), `${value}\n`);
      }
      const { derivations } = await outputsOf(folder);
      expect(derivations).toHaveLength(wanted.n);
      await store.run([
        "nix-store",
        "--realise",
        "--keep-going",
        ...derivations.map((output) => output.drv),
      ]);
      const outputs = (
        await succeed([
          "nix-store",
          "--query",
          "--outputs",
          ...derivations.map((output) => output.drv),
        ])
      )
        .trim()
        .split("\n");
      const invalid = await store.run([
        "nix-store",
        "--check-validity",
        "--print-invalid",
        ...outputs,
      ]);
      expect(invalid.stdout.trim().split("\n")).toHaveLength(wanted.invalid);

      // The same derivations by the other door.
      const args = Object.entries({ ...wanted, seed })
        .filter(([name]) => name !== "invalid")
        .flatMap(([name, value]) => ["--argstr", name, String(value)]);
      const byFile = await succeed(["nix-instantiate", folder, "-A", "packages", ...args]);
      expect(new Set(byFile.trim().split("\n"))).toEqual(
        new Set(derivations.map((output) => output.drv)),
      );
    },
  );
});
