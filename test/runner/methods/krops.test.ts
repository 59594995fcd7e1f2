import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { krops } from "../../../src/runner/deploy/methods/krops/index.ts";
import { kropsBench, type KropsBench, type KropsShape, OLD } from "./krops-place.ts";

let bench: KropsBench;
const start = async (shape: KropsShape = {}): Promise<KropsBench> =>
  (bench = await kropsBench(shape));
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
  const backTo = (system: string): KropsBench["place"] => ({
    ...bench.place,
    work: { ...bench.place.work, action: { kind: "generation", number: 1, system } },
  });

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
    await start();
    expect(await krops.rollBack?.(backTo(OLD), "asked")).toMatchObject({ exitCode: 0 });
    expect(await bench.read("machine/var/src/lnbits-src/flake.lock")).toContain("7");
    expect(bench.said).toContain(
      "what is sent from outside of the repository is the overlay's of today",
    );
    expect(bench.called().some((call) => call.startsWith("nixos-rebuild"))).toBe(false);
  });

  it("that somebody asked for brings what was there when that system ran, where the machine has kept it", async () => {
    await deployed();
    const calls = bench.called().length;
    expect(await krops.rollBack?.(backTo(OLD), "asked")).toMatchObject({ exitCode: 0 });
    expect(await bench.read("machine/var/src/lnbits-src/flake.lock")).toContain("6");
    expect(await bench.read("machine/var/src/config-shared")).toContain("old");
    expect(
      bench
        .called()
        .slice(calls)
        .map((call) => call.split(" ")[0]),
    ).toEqual(["ssh"]);
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
