import { rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { KropsSettings } from "../../../src/runner/deploy/methods/krops/settings.ts";
import { krops } from "../../../src/runner/deploy/methods/krops/index.ts";
import { kropsBench, type KropsBench, type KropsShape } from "./krops-place.ts";

let bench: KropsBench;
const start = async (shape: KropsShape = {}): Promise<KropsBench> => {
  bench = await kropsBench(shape);
  await symlink(join(bench.folder, "outside/lnbits"), join(bench.folder, "overlay/lnbits"));
  return bench;
};
afterEach(async () => await bench.close());

/** The engine's order. */
async function deployed(
  shape: KropsShape = {},
): Promise<{ end: unknown; wrong: readonly string[] }> {
  const { place, observed } = await start(shape);
  expect(await krops.check(place)).toEqual({ kind: "done" });
  expect(await krops.build(place)).toEqual({ kind: "done" });
  const end = await krops.activate(place);
  return { end, wrong: await krops.verify(place, observed()) };
}

describe("a deploy by krops (KRO-1)", () => {
  it("is two stages in one checkout, each for this machine alone, in their order", async () => {
    const { end, wrong } = await deployed();
    expect(wrong).toEqual([]);
    expect(end).toMatchObject({ exitCode: 0 });
    expect(end).not.toHaveProperty("skipped");
    const tools = bench.called().filter((call) => !/^ssh|^nix-(?:store|hash)/u.test(call));
    expect(tools).toEqual([
      "nix-build ./build-local.nix -A machine1",
      "build-machine1",
      "nix-build ./krops.nix -A machine1",
      "nixos-rebuild switch",
    ]);
    expect(await bench.read("machine/var/src/web-app-dist/index.html")).toBe("SITE=machine1\n");
    expect(await bench.read("machine/var/src/lnbits-src/flake.lock")).toContain("7");
    // KRO-12: what is deployed beside the repository is recorded.
    expect(krops.notices?.(bench.place).join("\n")).toMatch(
      /source lnbits: narHash sha256-[A-Za-z0-9+/]{43}=/u,
    );
  });

  it("ends before anything is sent when the first stage fails", async () => {
    const { place } = await start({ buildMachine: "echo no node_modules >&2; exit 3" });
    await krops.check(place);
    expect(await krops.build(place)).toMatchObject({
      kind: "failed",
      why: expect.stringMatching(/build-machine1 exited with 3[\s\S]*no node_modules/u),
    });
    expect(bench.called().some((call) => call.includes("krops.nix"))).toBe(false);
  });

  it.each([
    ["nothing at all", "exit 0"],
    ["an empty folder", "mkdir -p build/machine1/dist"],
    ["an empty file", "mkdir -p build/machine1/dist; : > build/machine1/dist/index.html"],
  ])(
    "ends where the first stage succeeds and makes %s: rsync would wipe the site",
    async (_, buildMachine) => {
      const { place } = await start({ buildMachine });
      await krops.check(place);
      expect(await krops.build(place)).toMatchObject({
        kind: "failed",
        why: expect.stringContaining("build/machine1/dist is empty"),
      });
      expect(bench.called().some((call) => /krops\.nix|^ssh/u.test(call))).toBe(false);
    },
  );
});

describe("what krops' exit code does not say (KRO-5, KRO-6)", () => {
  it("a rebuild that failed before a pipe into nom: exit 0, and nothing has changed", async () => {
    const { end, wrong } = await deployed({
      remote: "(NIX_PATH=/var/src nixos-rebuild switch) 2>&1 | nom",
      rebuild: "echo 'error: attribute missing' >&2; exit 1",
    });
    expect(end).toMatchObject({ exitCode: 0, log: expect.stringContaining("attribute missing") });
    expect(wrong).toEqual([expect.stringContaining("runs what it ran before")]);
  });

  it("a rebuild that makes the same system again is none that failed", async () => {
    const { wrong } = await deployed({ rebuild: "echo 'activating the configuration...' >&2" });
    expect(wrong).toEqual([]);
  });

  it("a sentinel that went meanwhile passes the machine over", async () => {
    const { place } = await start();
    await krops.check(place);
    await krops.build(place);
    await rm(join(bench.sources, ".populate"));
    expect(await krops.activate(place)).toMatchObject({
      exitCode: 1,
      skipped: expect.stringContaining("missing sentinel file"),
    });
  });

  it.each([
    ["is another one", "echo '{}' >", "SHA-256 differs"],
    ["is missing", "rm -f", "is not on the machine"],
  ])("a flake.lock that %s on the machine afterwards", async (_, command, says) => {
    const { wrong } = await deployed({
      rsync: `${command} ../machine/var/src/lnbits-src/flake.lock`,
    });
    expect(wrong).toEqual([expect.stringContaining(says)]);
    expect(wrong[0]).toContain("lnbits-src/flake.lock");
  });
});

describe("what has to be there before (KRO-3, KRO-5)", () => {
  it("the sentinel", async () => {
    const { place } = await start();
    await rm(join(bench.sources, ".populate"));
    expect(await krops.check(place)).toMatchObject({
      kind: "missing",
      missing: [expect.stringContaining("/var/src/.populate is not on the machine")],
    });
  });

  it.each(["flake.nix", "flake.lock", "uv.lock"])("%s of a locked source", async (file) => {
    const { place } = await start();
    await rm(join(bench.folder, "outside/lnbits", file));
    expect(await krops.check(place)).toEqual({
      kind: "missing",
      missing: [`lnbits/${file} is not there`],
    });
    expect(bench.called()).toEqual([]);
  });

  it("links that lead somewhere, each named", async () => {
    const { place } = await start();
    await rename(join(bench.folder, "outside/lnbits"), join(bench.folder, "outside/moved"));
    expect(await krops.check(place)).toEqual({
      kind: "missing",
      missing: [`overlay: a link that leads nowhere: lnbits → ${bench.folder}/outside/lnbits`],
    });
    expect(bench.called()).toEqual([]);
  });

  it("a link of the checkout itself that leads nowhere", async () => {
    const { place } = await start();
    await symlink("../web-app", join(bench.folder, "tree/web-app"));
    expect(await krops.check(place)).toMatchObject({
      kind: "missing",
      missing: [expect.stringContaining("./web-app")],
    });
  });

  it("krops.nix and build-local.nix", async () => {
    const { place } = await start();
    await rm(join(bench.folder, "overlay/build-local.nix"));
    expect(await krops.check(place)).toMatchObject({
      kind: "missing",
      missing: [expect.stringContaining("build-local.nix is neither")],
    });
  });

  it("a key that opens a shell", async () => {
    const { place } = await start({ program: "installed" });
    expect(await krops.check(place)).toMatchObject({ kind: "missing" });
  });
});

describe("the overlay (KRO-3, KRO-11)", () => {
  it("brings this machine's files and no other's", async () => {
    const { place } = await start();
    await krops.check(place);
    expect(await bench.read("tree/machine-specific/machine1/env/.env")).toBe("SITE=machine1\n");
    await expect(bench.read("tree/machine-specific/machine2/env/.env")).rejects.toThrow("ENOENT");
    await expect(bench.read("tree/config/machines/machine2/configuration.nix")).rejects.toThrow(
      "ENOENT",
    );
    expect(await bench.read("tree/README.md")).toBe("# machines\n");
    expect(bench.said).toContain(
      "overlay: not brought: machine-specific/machine2: another machine's",
    );
  });

  it("does not bring another machine's by a link", async () => {
    const { place } = await start();
    await symlink(
      "../machine2/env",
      join(bench.folder, "overlay/machine-specific/machine1/theirs"),
    );
    await krops.check(place);
    await expect(bench.read("tree/machine-specific/machine1/theirs/.env")).rejects.toThrow(
      "ENOENT",
    );
  });

  it("replaces nothing that was approved", async () => {
    const { place } = await start();
    await bench.write("overlay/config/shared.nix", "{ domain }: { evil = true; }\n");
    expect(await krops.check(place)).toMatchObject({
      kind: "failed",
      why: expect.stringContaining("config/shared.nix"),
    });
    expect(await bench.read("tree/config/shared.nix")).not.toContain("evil");
  });

  it("is refused where a machine uses another's folder (KRO-2)", async () => {
    const { place } = await start();
    const text = await bench.read("overlay/krops.nix");
    await bench.write(
      "overlay/krops.nix",
      text.replace("source = ./config/machines/machine1;", "source = ./config/machines/machine2;"),
    );
    expect(await krops.check(place)).toMatchObject({
      kind: "failed",
      why: expect.stringContaining("machine2 (./config/machines/machine2)"),
    });
  });

  it("is told where names drifted (KRO-2)", async () => {
    const { place } = await start();
    const text = await bench.read("overlay/krops.nix");
    await bench.write(
      "overlay/krops.nix",
      text.replace("inherit machine1 machine2", "inherit machine1"),
    );
    expect(await krops.check(place)).toEqual({ kind: "done" });
    expect(bench.said.join("\n")).toMatch(
      /names: machine2 is named in .* and not in krops-inherit/u,
    );
  });
});

describe("what only one machine may have (KRO-11)", () => {
  const age = (folder: string): Partial<KropsSettings> => ({
    age: {
      program: `${folder}/age`,
      identityFile: `${folder}/identity`,
      files: [{ from: "secrets/machine1.age", to: "machine-specific/machine1/secret.env" }],
    },
  });
  /** Whoever has the identity reads a file that begins with its name. */
  const AGE = `#!/bin/sh
[ "$1 $2" = "--decrypt --identity" ] && [ -r "$3" ] || exit 2
read -r head
[ "$head" = "for $(cat "$3")" ] || { echo "no identity matched any of the recipients" >&2; exit 1; }
cat
`;

  it("is masked in whatever is told: values of environment files", async () => {
    const { place, masked } = await start();
    await bench.write(
      "overlay/machine-specific/machine1/env/.env",
      "SITE=machine1\nexport VITE_KEY='k3y-of-machine-1'\nSHORT=a\n",
    );
    expect(await krops.check(place)).toEqual({ kind: "done" });
    expect(masked).toEqual(["machine1", "k3y-of-machine-1"]);
  });

  it("is decrypted by the runner's identity, which nothing in the place sees", async () => {
    const { place, masked } = await start({ settings: age });
    await bench.write("age", AGE, 0o755);
    await bench.write("identity", "runner");
    await bench.write("tree/secrets/machine1.age", "for runner\nPASSWORD=correct-horse\n");
    expect(await krops.check(place)).toEqual({ kind: "done" });
    expect(await bench.read("tree/machine-specific/machine1/secret.env")).toBe(
      "PASSWORD=correct-horse\n",
    );
    expect(masked).toEqual(expect.arrayContaining(["correct-horse", "PASSWORD=correct-horse"]));
    expect(bench.said.join("\n")).not.toContain("correct-horse");
  });

  it("that is for somebody else ends the deploy, with age's own reason", async () => {
    const { place } = await start({ settings: age });
    await bench.write("age", AGE, 0o755);
    await bench.write("identity", "runner");
    await bench.write("tree/secrets/machine1.age", "for another\nPASSWORD=x\n");
    expect(await krops.check(place)).toMatchObject({
      kind: "failed",
      why: expect.stringMatching(
        /secrets\/machine1\.age cannot be decrypted.*no identity matched/u,
      ),
    });
  });

  it("that is not there is named", async () => {
    const { place } = await start({ settings: age });
    expect(await krops.check(place)).toEqual({
      kind: "missing",
      missing: ["the secret secrets/machine1.age is not there"],
    });
  });
});

describe("where krops' script would go", () => {
  it.each([
    ["another host", "-l root -T machine2.example.org", "it goes to machine2.example.org"],
    ["another port", "-l root -p 2222 -T machine1.example.org", "it goes to port 2222"],
    [
      "an unknown host key",
      "-l root -T -o StrictHostKeyChecking=no machine1.example.org",
      "StrictHostKeyChecking=no",
    ],
    ["another way", "-l root -T -oProxyCommand=nc machine1.example.org", "ProxyCommand=nc"],
    ["another configuration", "-F /tmp/config -T machine1.example.org", "-F /tmp/config"],
  ])("%s: it is not run", async (_, target, says) => {
    const { place } = await start({ target });
    await krops.check(place);
    expect(await krops.build(place)).toMatchObject({
      kind: "failed",
      why: expect.stringContaining(says),
    });
    expect(bench.called().some((call) => call.startsWith("ssh"))).toBe(false);
  });

  it("the machine under a name that the policy knows", async () => {
    const { wrong } = await deployed({
      target: "-l root -T -o LogLevel=DEBUG web.internal",
      settings: () => ({ hosts: ["web.internal"] }),
    });
    expect(wrong).toEqual([]);
  });

  it("the runner itself, to build: it is not run", async () => {
    const { place } = await start();
    const text = await bench.read("fixtures/krops");
    const here = `${text.slice(0, text.indexOf("exec"))}NIX_PATH=/var/src nixos-rebuild switch --target-host machine1\n`;
    await bench.write("fixtures/krops", here, 0o755);
    await krops.check(place);
    expect(await krops.build(place)).toMatchObject({
      kind: "failed",
      why: expect.stringContaining("it runs nixos-rebuild on this runner"),
    });
    expect(bench.called().some((call) => call.startsWith("nixos-rebuild"))).toBe(false);
  });

  it("the runner itself: it is not run", async () => {
    const { place } = await start();
    await bench.write(
      "fixtures/krops",
      "#!/bin/sh\nNIX_PATH=/var/src nixos-rebuild switch\n",
      0o755,
    );
    await krops.check(place);
    expect(await krops.build(place)).toMatchObject({
      kind: "failed",
      why: expect.stringContaining("its target is this runner itself"),
    });
    expect(bench.called().some((call) => call.startsWith("nixos-rebuild"))).toBe(false);
  });
});

describe("the way back (KRO-8)", () => {
  it("of a sick deploy brings the sources of before, and nothing new stays", async () => {
    await deployed();
    expect(await bench.read("machine/var/src/config-shared")).not.toContain("old");
    const end = await krops.rollBack?.(bench.place, "sick");
    expect(end).toMatchObject({ exitCode: 0 });
    expect(await bench.read("machine/var/src/config-shared")).toContain("old");
    expect(await bench.read("machine/var/src/lnbits-src/flake.lock")).toContain("6");
    await expect(bench.read("machine/var/src/web-app-dist/index.html")).rejects.toThrow("ENOENT");
    expect(await bench.read("machine/var/src/.populate")).toBe("");
    // The way may be gone twice: the answer of the first may have been lost.
    expect(await krops.rollBack?.(bench.place, "sick")).toMatchObject({ exitCode: 0 });
    expect(await bench.read("machine/var/src/config-shared")).toContain("old");
  });

  it("says when the machine has kept nothing of this deploy", async () => {
    const { place } = await start();
    const end = await krops.rollBack?.(place, "sick");
    expect(end?.exitCode).not.toBe(0);
  });

  it("that somebody asked for sends the earlier revision's sources, and switches to nothing", async () => {
    const { place } = await start();
    expect(await krops.rollBack?.(place, "asked")).toMatchObject({ exitCode: 0 });
    expect(await bench.read("machine/var/src/lnbits-src/flake.lock")).toContain("7");
    expect(bench.called().some((call) => call.startsWith("nixos-rebuild"))).toBe(false);
  });

  it("that somebody asked for is none where the machine has other sources afterwards", async () => {
    const { place } = await start({
      rsync: "echo '{}' > ../machine/var/src/lnbits-src/flake.lock",
    });
    expect(await krops.rollBack?.(place, "asked")).toMatchObject({
      exitCode: 1,
      log: expect.stringContaining("SHA-256 differs"),
    });
  });

  it("is not gone by a script whose sending cannot be told from its switching", async () => {
    const { place } = await start();
    const one = "#!/bin/sh\nexec /bin/ssh -l root -T machine1 'nixos-rebuild switch'\n";
    await bench.write("fixtures/krops", one, 0o755);
    expect(await krops.rollBack?.(place, "asked")).toMatchObject({
      exitCode: null,
      log: expect.stringContaining("cannot be told apart"),
    });
  });

  it("that cannot be built says why, and sends nothing", async () => {
    const { place } = await start({ buildMachine: "exit 0" });
    const end = await krops.rollBack?.(place, "asked");
    expect(end).toMatchObject({ exitCode: null, log: expect.stringContaining("is empty") });
    expect(bench.called().some((call) => call.startsWith("ssh"))).toBe(false);
  });
});

describe("what the log warns of (KRO-9)", () => {
  it("is a setting of this machine that deletes what people have installed", async () => {
    const { place } = await start();
    await bench.write(
      "overlay/config/machines/machine1/configuration.nix",
      "{ systemd.services.lnbits.preStart = ''\n  rm -rf /var/lib/lnbits/extensions\n''; }\n",
    );
    expect(await krops.check(place)).toEqual({ kind: "done" });
    expect(bench.said.join("\n")).toContain(
      "warning: config/machines/machine1/configuration.nix removes whole folders: rm -rf /var/lib/lnbits/extensions",
    );
  });
});
