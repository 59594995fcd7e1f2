import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { jobRunner } from "../../../src/runner/jobs/index.ts";
import { RootTable } from "../../../src/runner/nix/roots/table.ts";
import { run } from "../../../src/runner/process/index.ts";
import { environmentWith } from "../../support/nix-versions.ts";
import { describeIsolated, isolationForTest } from "../isolation/support.ts";
import { flake } from "../nix/support.ts";
import type { GitServer } from "../source/git-server.ts";
import { gitServer } from "../source/git-server.ts";
import { LIMITS, perform, specification } from "./perform.ts";

const TOKEN = `ghs_${"c3D4".repeat(10)}`;
const BRANCH = { repository: 7, ref: "refs/heads/main" };

describeIsolated("what a runner's store keeps", () => {
  let server: GitServer;
  let isolation: Isolation;
  let state: string;
  let close: () => Promise<void>;
  beforeAll(async () => {
    server = await gitServer(TOKEN);
    const own = await isolationForTest({ uidBase: 58_600, egress: [`127.0.0.1:${server.port}`] });
    ({ isolation } = own);
    state = await mkdtemp(join(tmpdir(), "snowcat-roots-"));
    close = () => own.close();
  });
  afterAll(async () => {
    await close?.();
    await server?.close();
    if (state !== undefined) await rm(state, { recursive: true });
  });

  /** Root's own collector, on the runner's store. */
  const nixStore = (...args: string[]) =>
    run(["nix-store", "--store", isolation.storeUrl!, ...args], {
      env: { ...environmentWith(), NIX_CONF_DIR: state },
      timeoutMs: 60_000,
    });

  test("stays through a collection while a branch has it, and what is gone is built again when something needs it", async () => {
    const directory = join(state, "agent");
    await mkdir(directory);
    const roots = await RootTable.open(directory, isolation.roots!, 0);
    let jobs = 0;
    /** A fresh runner each: nothing is remembered but the store. */
    const job = (work: Parameters<typeof specification>[1]) =>
      perform(jobRunner(null, roots), isolation, specification((jobs += 1), work), TOKEN);
    const selections = [{ kind: "flake" as const, directory: ".", attributes: [], systems: null }];
    const outputs = new Map<string, string>();
    const evaluate = async (commit: { sha: string; tree: string }) => {
      const source = {
        cloneUrl: server.url("kept"),
        ref: BRANCH.ref,
        ...commit,
        revision: false,
      };
      const { verdict, attributes } = await job({
        kind: "evaluate",
        source,
        selections,
        limits: LIMITS,
      });
      expect(verdict.kind).toBe("succeeded");
      const derivations = attributes.flatMap(({ selection, path, result }) => {
        if (result.kind !== "derivation") return [];
        const name = path.at(-1)!;
        outputs.set(name, result.derivation.outputs["out"]!);
        return [{ selection, path, drv: result.derivation.path, name }];
      });
      return async (...names: string[]) => {
        const { results } = await job({
          kind: "build",
          source,
          selections,
          limits: LIMITS,
          derivations: derivations.flatMap(({ name, ...one }) =>
            names.includes(name) ? [one] : [],
          ),
        });
        return Object.fromEntries(results.map(({ path, verdict: one }) => [path.at(-1), one]));
      };
    };
    const valid = async (...names: string[]) => {
      const found = await Promise.all(
        names.map(async (name) => {
          const { exitCode } = await nixStore("--check-validity", outputs.get(name)!);
          return exitCode === 0 ? [name] : [];
        }),
      );
      return found.flat();
    };
    const collect = async () => expect((await nixStore("--gc")).exitCode).toBe(0);
    const packages = (set: string) => ({
      "flake.nix": flake(`packages.x86_64-linux = let
        dep = mk "dep" "echo dep > $out" [];
        below = mk "below" "echo below > $out" [];
      in { inherit dep; ${set} };`),
    });
    const GOOD = { kind: "succeeded", reused: false };

    const build = await evaluate(
      await server.commit(
        "kept",
        packages(
          `a = mk "a" "echo > $out" [ dep ]; c = mk "c" "echo > $out" []; bad = mk "bad" "exit 1" [];`,
        ),
      ),
    );
    expect(await build("dep", "a", "c", "bad")).toMatchObject({
      dep: GOOD,
      a: GOOD,
      c: GOOD,
      bad: { kind: "failed" },
    });
    const next = await evaluate(
      await server.next("kept", packages(`p = mk "p" "echo > $out" [];`)),
    );
    expect(Object.keys(await next("p"))).toEqual(["p"]);
    await collect();
    // The last whole evaluation has dep and p; a and c are not in it any more.
    expect(await valid("dep", "a", "c", "p")).toEqual(["dep", "p"]);
    expect(roots.list().map(({ name, roots: kept }) => [name, kept.length])).toEqual([["o/r", 2]]);

    await roots.release(BRANCH);
    await collect();
    expect(await valid("dep", "p")).toEqual([]);

    // `dep` is remembered as a success, so that no job is asked for it; only what stands on it has changed.
    const changed = await evaluate(
      await server.next("kept", packages(`a = mk "a" "echo changed > $out" [ dep ];`)),
    );
    expect(await changed("a")).toEqual({ a: GOOD });
    expect(await valid("dep", "a")).toEqual(["dep", "a"]);
    // Asked for itself again, it says whether it is there.
    expect(await changed("dep")).toEqual({ dep: { kind: "succeeded", reused: true } });
  });
});
