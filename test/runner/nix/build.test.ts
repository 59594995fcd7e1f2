import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BuildOptions } from "../../../src/runner/nix/build/index.ts";
import { build } from "../../../src/runner/nix/build/index.ts";
import type { RunMemory } from "../../../src/runner/nix/build/failure.ts";
import { runMemory } from "../../../src/runner/nix/build/failure.ts";
import type { Workspace } from "../../../src/runner/nix/launch.ts";
import type { AttributeResult } from "../../../src/protocol/attribute.ts";
import { lineSplitter } from "../../../src/runner/nix/log/lines.ts";
import { describeIsolated, hostProcesses } from "../isolation/support.ts";
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

  /** Instantiates and gives name → derivation. */
  async function instantiate(set: string): Promise<Map<string, string>> {
    const expression = `let mk = name: script: deps: derivation { inherit name deps; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; };
      in builtins.mapAttrs (name: d: d.drvPath) (${set})`;
    const result = await nix.workspace.launch({
      argv: ["nix", "eval", "--json", "--impure", "--expr", expression],
      network: "none",
    });
    expect(new TextDecoder().decode(result.stderr) + result.exitCode).toMatch(/0$/u);
    return new Map(
      Object.entries(JSON.parse(new TextDecoder().decode(result.stdout)) as Record<string, string>),
    );
  }

  interface Outcome {
    readonly verdicts: Map<string, AttributeResult>;
    readonly logs: Map<string, string>;
  }

  async function buildAll(
    drvs: ReadonlyMap<string, string>,
    more: {
      memory?: RunMemory;
      limits?: { buildSeconds: number; silentSeconds: number };
      signal?: AbortSignal;
      onLog?: () => void | Promise<void>;
      /** Stands between the build and its programs. */
      through?: (workspace: Workspace) => Workspace;
      slots?: number;
      oomKills?: BuildOptions["oomKills"];
      clock?: BuildOptions["clock"];
    } = {},
  ): Promise<Outcome> {
    const verdicts = new Map<string, AttributeResult>();
    const logs = new Map<string, string>();
    const { through = (workspace) => workspace, slots, oomKills, clock } = more;
    await build({
      workspace: through(nix.workspace),
      facts: nix.facts,
      ...(slots === undefined ? {} : { slots }),
      ...(oomKills === undefined ? {} : { oomKills }),
      ...(clock === undefined ? {} : { clock }),
      limits: more.limits ?? { buildSeconds: 60, silentSeconds: 60 },
      memory: more.memory ?? runMemory(),
      goals: [...drvs].map(([name, drv]) => ({ selection: 0, path: [name], drv })),
      signal: more.signal ?? new AbortController().signal,
      now: () => performance.now(),
      say: () => {},
      sink: {
        async results(list) {
          for (const result of list) {
            expect(verdicts.has(result.path[0]!), "one result for each attribute").toBe(false);
            verdicts.set(result.path[0]!, result);
          }
        },
        log: (stream) => ({
          async write(bytes) {
            logs.set(stream, (logs.get(stream) ?? "") + new TextDecoder().decode(bytes));
            await more.onLog?.();
          },
          async close() {},
        }),
      },
    });
    return { verdicts, logs };
  }

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
      kind: "failed",
      logTail: expect.stringContaining("127.0.0.1:9"),
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

  /** Counts the builders that Nix starts, by the derivation's name, and can leave out arguments or let a process die. */
  function counting(
    counts: Map<string, number>,
    more: { without?: readonly string[]; upon?: (name: string, stop: () => void) => void } = {},
  ): (workspace: Workspace) => Workspace {
    return (workspace) => ({
      ...workspace,
      launch: (request) => {
        const dies = new AbortController();
        const [program, ...args] = request.argv;
        const left = args.filter(
          (argument, index) =>
            !more.without?.includes(argument) && !more.without?.includes(args[index - 1] ?? ""),
        );
        const lines = lineSplitter((line) => {
          const name = /"text":"building '[^']{44}([^']*)\.drv'"/u.exec(line)?.[1];
          if (name === undefined) return;
          counts.set(name, (counts.get(name) ?? 0) + 1);
          more.upon?.(name, () => dies.abort());
        });
        return workspace
          .launch({
            ...request,
            argv: [program, ...left],
            signal: AbortSignal.any([dies.signal, ...(request.signal ? [request.signal] : [])]),
            onStderr: (chunk) => {
              request.onStderr?.(chunk);
              lines.push(chunk);
            },
          })
          .then((result) =>
            dies.signal.aborted ? { ...result, cancelled: false, exitCode: null } : result,
          );
      },
    });
  }
  const OWN_CLOCK = {
    clock: { marginMs: 0, tickMs: 50 },
    slots: 1,
  };
  const NIX_LIMITS = ["--timeout", "--max-silent-time"];

  test.each([
    ["timed-out", "while :; do echo on; done", { buildSeconds: 2, silentSeconds: 60 }],
    ["silent", "while :; do :; done", { buildSeconds: 60, silentSeconds: 2 }],
  ] as const)(
    "our own clock: %s where Nix ends nothing, and what failed before is not built again",
    async (kind, script, limits) => {
      const drvs = await instantiate(
        `{ endless = mk "z-endless-${kind}" "${script}" []; }
        // builtins.listToAttrs (builtins.genList (i: { name = "bad" + toString i; value = mk "bad-${kind}-\${toString i}" "echo no; exit 3" []; }) 3)
        // builtins.listToAttrs (builtins.genList (i: { name = "good" + toString i; value = mk "good-${kind}-\${toString i}" "echo > $out" []; }) 3)`,
      );
      const counts = new Map<string, number>();
      const { verdicts } = await buildAll(drvs, {
        limits,
        ...OWN_CLOCK,
        through: counting(counts, { without: NIX_LIMITS }),
      });
      const kinds = Object.fromEntries(
        [...verdicts].map(([name, { verdict }]) => [name, verdict.kind]),
      );
      expect(kinds).toEqual({
        endless: kind,
        bad0: "failed",
        bad1: "failed",
        bad2: "failed",
        good0: "succeeded",
        good1: "succeeded",
        good2: "succeeded",
      });
      for (const [name, count] of counts) expect([name, count]).toEqual([name, 1]);
      for (const name of ["bad0", "bad1", "bad2"])
        expect(verdicts.get(name)?.verdict).toMatchObject({
          logTail: expect.stringMatching(/^no/u),
        });
    },
  );

  test("what nothing explains is tried once more, alone, and then is infrastructure; what stands on it waits", async () => {
    const drvs = await instantiate(
      `let shared = mk "lost" "echo lost; while :; do :; done" []; in { inherit shared; } // builtins.listToAttrs (builtins.genList (i: { name = "u" + toString i; value = mk "upon\${toString i}" "echo > $out" [ shared ]; }) 60)`,
    );
    const counts = new Map<string, number>();
    const { verdicts } = await buildAll(drvs, {
      through: counting(counts, { upon: (name, stop) => name === "lost" && stop() }),
    });
    expect(verdicts.get("shared")?.verdict).toMatchObject({
      kind: "infrastructure",
      message: expect.stringContaining("tried twice"),
    });
    for (let i = 0; i < 60; i += 1)
      expect(verdicts.get(`u${i}`)?.verdict).toMatchObject({
        kind: "dependency-failed",
        cause: drvs.get("shared"),
        verdict: "infrastructure",
      });
    expect([...counts]).toEqual([["lost", 2]]);
  });

  test("a process that dies once costs nobody a verdict", async () => {
    const drvs = await instantiate(
      `let shared = mk "once" "echo > $out" []; in builtins.listToAttrs (builtins.genList (i: { name = "o" + toString i; value = mk "onceupon\${toString i}" "echo > $out" [ shared ]; }) 5)`,
    );
    const counts = new Map<string, number>();
    let died = false;
    const { verdicts } = await buildAll(drvs, {
      through: counting(counts, {
        upon: (name, stop) => {
          if (name === "once" && !died) stop();
          died = true;
        },
      }),
    });
    expect(new Set([...verdicts.values()].map(({ verdict }) => verdict.kind))).toEqual(
      new Set(["succeeded"]),
    );
  });

  test("two jobs of a run at once build a failing dependency once", async () => {
    const drvs = await instantiate(
      `let bad = mk "both-bad" "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 9" []; in { a = mk "both-a" "echo > $out" [ bad ]; b = mk "both-b" "echo > $out" [ bad ]; }`,
    );
    const counts = new Map<string, number>();
    const memory = runMemory();
    const outcomes = await Promise.all(
      ["a", "b"].map((name) =>
        buildAll(new Map([[name, drvs.get(name)!]]), { memory, through: counting(counts) }),
      ),
    );
    for (const { verdicts } of outcomes)
      for (const { verdict } of verdicts.values())
        expect(verdict).toMatchObject({ kind: "dependency-failed", verdict: "failed" });
    expect([...counts]).toEqual([["both-bad", 1]]);
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

  test("what failed in an earlier slice of the run is not tried again", async () => {
    const drvs = await instantiate(
      `rec { bad = mk "memory-bad" "exit 4" []; above = mk "memory-above" "echo > $out" [ bad ]; }`,
    );
    const memory = runMemory();
    await buildAll(new Map([["bad", drvs.get("bad")!]]), { memory });
    nix.started.length = 0;
    const { verdicts } = await buildAll(drvs, { memory });
    expect(verdicts.get("bad")?.verdict).toMatchObject({ kind: "failed", exitCode: 4 });
    expect(verdicts.get("above")?.verdict).toMatchObject({
      kind: "dependency-failed",
      cause: drvs.get("bad"),
    });
    expect(nix.started.some(([, what]) => what === "--realise")).toBe(false);
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
