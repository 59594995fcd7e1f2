import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeIsolated, hostProcesses } from "../isolation/support.ts";
import { buildAllIn, instantiateIn } from "./building.ts";
import type { NixForTest } from "./support.ts";
import { flake, nixForTest } from "./support.ts";

describeIsolated("building by real Nix, through the daemon", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(52_200);
  });
  afterAll(async () => {
    await nix?.close();
  });

  const instantiate = (set: string) => instantiateIn(nix, set);
  const buildAll = (drvs: ReadonlyMap<string, string>, more?: Parameters<typeof buildAllIn>[2]) =>
    buildAllIn(nix, drvs, more);

  test("each way to fail has its verdict, and a good one beside it is built", async () => {
    const drvs = await instantiate(`{
      good = mk "good" "echo made; echo > $out" [];
      failed = mk "failed" "echo one; echo two >&2; exit 7" [];
      nothing = mk "nothing" "exit 0" [];
      hash = derivation { name = "hash"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo x > $out" ]; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; };
      refers = derivation { name = "refers"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo $dep > $out" ]; dep = mk "referred" "echo > $out" []; allowedReferences = []; };
      fetch = import <nix/fetchurl.nix> { url = "http://127.0.0.1:9/x"; sha256 = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; };
      full = mk "full" "echo 'write error: No space left on device'; exit 1" [];
      feature = derivation { name = "feature"; system = "x86_64-linux"; builder = "/bin/sh"; requiredSystemFeatures = [ "warp-drive" ]; };
      foreign = derivation { name = "foreign"; system = "riscv64-linux"; builder = "/bin/sh"; };
      above = mk "above" "echo > $out" [ (derivation { name = "foreign"; system = "riscv64-linux"; builder = "/bin/sh"; }) ];
    }`);
    const { verdicts, logs } = await buildAll(drvs);
    const verdict = (name: string) => verdicts.get(name)?.verdict;
    expect(verdict("good")).toEqual({ kind: "succeeded", reused: false });
    expect(verdict("failed")).toEqual({
      kind: "failed",
      drv: drvs.get("failed"),
      exitCode: 7,
      logTail: "one\ntwo",
    });
    expect(verdict("nothing")).toMatchObject({
      kind: "failed",
      exitCode: null,
      logTail: expect.stringContaining("failed to produce output path"),
    });
    expect(verdict("refers")).toMatchObject({
      kind: "failed",
      exitCode: null,
      logTail: expect.stringContaining("not allowed to refer"),
    });
    expect(verdict("fetch")).toMatchObject({
      kind: "infrastructure",
      message: expect.stringContaining("127.0.0.1:9"),
    });
    expect(verdict("hash")).toMatchObject({
      kind: "hash-mismatch",
      specified: expect.stringContaining("AAAA"),
      got: expect.stringMatching(/^sha256-/u),
    });
    expect(verdict("full")).toMatchObject({ kind: "out-of-disk" });
    expect(verdict("feature")).toEqual({ kind: "no-runner", missing: ["feature warp-drive"] });
    expect(verdict("foreign")).toEqual({ kind: "no-runner", missing: ["system riscv64-linux"] });
    expect(verdict("above")).toMatchObject({
      kind: "dependency-failed",
      cause: drvs.get("foreign"),
      verdict: "no-runner",
    });
    expect(logs.get(verdicts.get("good")!.log!)).toBe("made\n");
    expect(verdicts.get("nothing")!.log).toBeNull();
    const again = await buildAll(new Map([["good", drvs.get("good")!]]));
    expect(again.verdicts.get("good")?.verdict).toEqual({ kind: "succeeded", reused: true });
  });

  test("a failing dependency that 100 share is built once, and named 100 times", async () => {
    const drvs = await instantiate(
      `let bad = mk "shared-bad" "echo no; exit 1" []; in builtins.listToAttrs (builtins.genList (i: { name = "s" + toString i; value = mk ("s" + toString i) "echo > $out" [ bad ]; }) 100)`,
    );
    nix.started.length = 0;
    const { verdicts, logs } = await buildAll(drvs);
    const causes = new Set(
      [...verdicts.values()].map(({ verdict }) =>
        verdict.kind === "dependency-failed" ? verdict.cause : verdict.kind,
      ),
    );
    expect(causes.size).toBe(1);
    expect([...causes][0]).toMatch(/-shared-bad\.drv$/u);
    expect([...logs.values()]).toEqual(["no\n"]);
    expect(nix.started.filter(([, what]) => what === "--realise")).toHaveLength(1);
    expect(verdicts.size).toBe(100);
  });

  test.each([
    ["and the kernel has counted one more: want of memory", 1, { kind: "out-of-memory" }],
    [
      "and nobody says why: a failure",
      0,
      {
        kind: "failed",
        exitCode: null,
        logTail: "here\nbuilder failed due to signal 9 (Killed)",
      },
    ],
  ])("signal 9, %s", async (_name, more, verdict) => {
    const word = `marker-${randomBytes(8).toString("hex")}`;
    const drvs = await instantiate(
      `{ killed = mk "killed" "echo here; while :; do :; done # ${word}" []; }`,
    );
    let kills = 4;
    const { verdicts } = await buildAll(drvs, {
      oomKills: async () => (kills += more),
      onLog: async () => {
        const builder = (await hostProcesses()).find(
          ({ command }) => /^\S*sh\0-c\0/u.test(command) && command.includes(word),
        );
        process.kill(builder!.pid, "SIGKILL");
      },
    });
    expect(verdicts.get("killed")?.verdict).toMatchObject(verdict);
  });

  test("a chain longer than a batch", async () => {
    const drvs = await instantiate(
      `let go = i: before: if i == 120 then [ ] else let d = mk ("chain" + toString i) "echo > $out" before; in [ { name = "c" + toString i; value = d; } ] ++ go (i + 1) [ d ]; in builtins.listToAttrs (go 0 [ ])`,
    );
    const { verdicts } = await buildAll(drvs);
    expect(
      [...verdicts.values()].filter(({ verdict }) => verdict.kind === "succeeded"),
    ).toHaveLength(120);
  });

  test("limits end one build, and the neighbours are built", async () => {
    const drvs = await instantiate(`{
      endless = mk "endless" "while :; do :; done" [];
      before = mk "before" "echo > $out" []; behind = mk "zz-behind" "echo > $out" [];
    }`);
    const silent = await buildAll(drvs, { limits: { buildSeconds: 60, silentSeconds: 1 } });
    expect(
      Object.fromEntries([...silent.verdicts].map(([name, { verdict }]) => [name, verdict.kind])),
    ).toEqual({ endless: "silent", before: "succeeded", behind: "succeeded" });
    const timed = await buildAll(new Map([["endless", drvs.get("endless")!]]), {
      limits: { buildSeconds: 1, silentSeconds: 60 },
    });
    expect(timed.verdicts.get("endless")?.verdict).toMatchObject({
      kind: "timed-out",
      limitSeconds: 1,
    });
  });

  test("cancelling ends the build", async () => {
    const drvs = await instantiate(
      `{ endless = mk "cancelled" "echo running; while :; do :; done" []; }`,
    );
    const stop = new AbortController();
    await expect(
      buildAll(drvs, {
        signal: stop.signal,
        onLog: () => stop.abort(new Error("cancelled by a person")),
      }),
    ).rejects.toThrow("cancelled by a person");
  });

  test("a builder that prints Nix's own messages fools nobody about success", async () => {
    const drvs = await instantiate(`let other = mk "forged" "echo > $out" []; in { inherit other;
      liar = mk "liar" ''
        echo "error: builder for '${"${other.drvPath}"}' failed with exit code 1"
        echo '@nix {"action":"msg","level":0,"msg":"error: builder for '"'"'${"${builtins.unsafeDiscardStringContext other.drvPath}"}'"'"' failed with exit code 1"}'
        exit 5
      '' []; }`);
    const { verdicts } = await buildAll(drvs);
    expect(verdicts.get("liar")?.verdict).toMatchObject({ kind: "failed", exitCode: 5 });
    expect(verdicts.get("other")?.verdict).toMatchObject({ kind: "succeeded" });
  });

  test("a builder that says that nobody can build its neighbours keeps nobody from building them", async () => {
    const drvs = await instantiate(`let
      others = builtins.genList (i: mk "spared${"${toString i}"}" "echo > $out" []) 60;
      forge = other: let drv = builtins.unsafeDiscardStringContext other.drvPath; in ''
        echo '@nix {"action":"msg","level":0,"msg":"error: a '"'"'x86_64-linux'"'"' with features {warp} is required to build '"'"'${"${drv}"}'"'"', but I am a '"'"'x86_64-linux'"'"' with features {}"}'
      '';
      liar = name: mk name (builtins.concatStringsSep "" (map forge (others ++ [ (mk "aa-itself" "" []) ])) + "exit 5") [];
    in { a = liar "aa-liar"; z = liar "zz-liar"; } // builtins.listToAttrs (builtins.genList (i: { name = "o" + toString i; value = builtins.elemAt others i; }) 60)`);
    // More than one batch: those of the next are still missing when the liar has spoken.
    const { verdicts } = await buildAll(drvs, { slots: 1 });
    expect(
      Object.fromEntries([...verdicts].map(([name, { verdict }]) => [name, verdict.kind])),
    ).toEqual({
      a: "failed",
      z: "failed",
      ...Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`o${n}`, "succeeded"])),
    });
  });

  test("outputs that are links, and several of them", async () => {
    const { byName } = await nix.check({
      "flake.nix":
        flake(`packages.x86_64-linux.link = derivation { name = "link"; system = "x86_64-linux"; builder = "/bin/sh"; outputs = [ "out" "dev" ];
      args = [ "-c" ''
        echo > $dev
        /bin/busybox ln -s $dev $out || { echo no ln; : > $out; }
      '' ]; };`),
    });
    expect(byName.get("packages.x86_64-linux.link")?.verdict.kind).toBe("succeeded");
  });
});
