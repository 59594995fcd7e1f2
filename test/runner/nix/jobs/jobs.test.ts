import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Attribute } from "../../../../src/protocol/attribute.ts";
import { attributeName } from "../../../../src/protocol/attribute.ts";
import { evaluate } from "../../../../src/runner/nix/evaluate/index.ts";
import { findJobs } from "../../../../src/runner/nix/evaluate/jobs/index.ts";
import type { Workspace } from "../../../../src/runner/nix/launch.ts";
import { describeIsolated } from "../../isolation/support.ts";
import type { NixForTest } from "../support.ts";
import { flake, nixForTest } from "../support.ts";

const OUTPUTS = `
  packages.x86_64-linux = {
    good = mk "good" "" []; "a.b" = mk "ab" "" []; "q\\"%." = mk "q" "" []; "1" = mk "one" "" []; "" = mk "empty" "" [];
    set = { recurseForDerivations = true; inner = mk "inner" "" []; bad = throw "inner bad"; }; plain = { x = 1; };
    text = "x"; none = null; bad = throw "bad here"; missing = { }.nope; fake = { type = "derivation"; drvPath = "/x.drv"; name = "x"; outPath = "/y"; system = "x86_64-linux"; };
    callable = mk "callable" "" [] // { __functor = self: x: throw "called"; };
    two = derivation { name = "two"; system = "x86_64-linux"; builder = "/bin/sh"; outputs = [ "out" "dev" ]; requiredSystemFeatures = [ "big" ]; };
    ifd = import (mk "ifd" "" []); deep = let x = { recurseForDerivations = true; inherit x; }; in x;
  };
  packages.riscv64-linux = throw "no risc";
  packages.aarch64-linux.far = derivation { name = "far"; system = "aarch64-linux"; builder = "/bin/sh"; };
  formatter.x86_64-linux = mk "fmt" "" [];
  nixosConfigurations.m.config.system.build.toplevel = mk "m" "" [];
  nixosConfigurations.broken = { };
  hydraJobs.a.b.c = mk "c" "" [];
  apps.x86_64-linux.app = { type = "app"; program = "\${mk "app" "" []}/bin/app"; };
`;

describeIsolated("nix-eval-jobs, by a stand-in", () => {
  let nix: NixForTest;
  let tree: string;
  let path: string;
  beforeAll(async () => {
    nix = await nixForTest(57_700);
    const { workspace } = nix;
    const bin = `${workspace.directory}/bin`;
    tree = `${workspace.directory}/tree`;
    await write(
      `${bin}/nix-eval-jobs`,
      await readFile(join(import.meta.dirname, "stand-in.mjs"), "utf8"),
    );
    const own = await workspace.launch({
      argv: ["sh", "-c", 'printf %s "$PATH"'],
      network: "none",
    });
    path = `${bin}:${new TextDecoder().decode(own.stdout)}`;
  });
  afterAll(async () => {
    await nix?.close();
  });

  const write = async (file: string, content: string): Promise<void> => {
    const { exitCode } = await nix.workspace.launch({
      argv: ["sh", "-c", 'mkdir -p "${1%/*}" && cat > "$1" && chmod 755 "$1"', "sh", file],
      input: content,
      network: "none",
    });
    expect(exitCode).toBe(0);
  };

  const withTool = (mode: string, record: string): Workspace => ({
    ...nix.workspace,
    launch: (request) =>
      nix.workspace.launch({
        ...request,
        env: { ...request.env, PATH: path, STAND_IN_MODE: mode, STAND_IN_RECORD: record },
      }),
  });

  const evaluated = async (workspace: Workspace, jobs: string | null) => {
    const attributes: Attribute[] = [];
    const end = await evaluate({
      workspace,
      version: nix.facts.version,
      tree,
      revision: null,
      selection: { kind: "flake", directory: "", attributes: [], systems: null },
      index: 0,
      seconds: 120,
      memoryBytes: 2 ** 31,
      imports: null,
      jobs,
      // Without the look, so that the tool does all of the work.
      again: true,
      signal: new AbortController().signal,
      now: () => performance.now(),
      onAttribute: (attribute) => attributes.push(attribute),
    });
    if (end.kind !== "evaluated") throw new Error(JSON.stringify(end));
    const told = attributes.map(
      ({ path: at, result }) =>
        [
          attributeName(at),
          result.kind === "derivation" ? result.derivation : result.message.split("\n", 1)[0],
        ] as const,
    );
    expect(new Set(told.map(([name]) => name)).size).toBe(told.length);
    return { told: Object.fromEntries(told), warnings: end.warnings };
  };

  const recorded = async (record: string): Promise<string[][]> => {
    const { stdout } = await nix.workspace.launch({ argv: ["cat", record], network: "none" });
    return new TextDecoder()
      .decode(stdout)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as string[]);
  };

  const compared = async (mode: string, walked: Awaited<ReturnType<typeof evaluated>>) => {
    const record = `${nix.workspace.directory}/${mode}`;
    const workspace = withTool(mode, record);
    const version = await findJobs(workspace);
    expect(version).not.toBeNull();
    const { told, warnings } = await evaluated(workspace, version);
    expect(told).toEqual(walked.told);
    expect(warnings.some((text) => text.includes("nix-eval-jobs"))).toBe(
      mode === "dies" || mode === "garbles",
    );
    return await recorded(record);
  };

  test("the same attributes and verdicts as by the walk, of an older and a newer version", async () => {
    await write(`${tree}/flake.nix`, flake(OUTPUTS));
    expect(await findJobs(nix.workspace)).toBeNull();
    const walked = await evaluated(nix.workspace, null);
    expect(Object.keys(walked.told).length).toBe(24);
    for (const mode of ["new", "old"]) {
      const runs = await compared(mode, walked);
      // One run for each system and one for what has none; apps are walked.
      expect(runs.length).toBe(4);
      for (const argv of runs) {
        expect(argv).toContain("--workers");
        expect(Number(argv[argv.indexOf("--max-memory-size") + 1])).toBeLessThan(2_048);
        expect(argv).not.toContain("--gc-roots-dir");
        expect(argv).not.toContain("--force-recurse");
        expect(argv.join(" ")).toContain("--option accept-flake-config false");
        expect(argv.join(" ")).toContain("--option allow-import-from-derivation false");
      }
    }
  });

  test("a tool that dies or writes nonsense costs no attribute", async () => {
    await write(
      `${tree}/flake.nix`,
      flake(
        `packages.x86_64-linux = { a = mk "a" "" []; b = mk "b" "" []; bad = throw "bad"; c = mk "c" "" []; };`,
      ),
    );
    const walked = await evaluated(nix.workspace, null);
    for (const mode of ["dies", "garbles"]) expect(await compared(mode, walked)).toHaveLength(1);
  });
});
