import { afterAll, beforeAll, expect, test } from "vitest";
import { ended, text } from "../../../../src/runner/nix/launch.ts";
import { pathInfos } from "../../../../src/runner/nix/store/path-info.ts";
import { invalidPaths } from "../../../../src/runner/nix/store/validity.ts";
import { descendants, describeIsolated, until } from "../../isolation/support.ts";
import { instantiateIn } from "../building.ts";
import type { NixForTest } from "../support.ts";
import { nixForTest } from "../support.ts";

const NEVER = new AbortController().signal;
const serving = async (): Promise<number[]> =>
  (await descendants(process.pid))
    .filter(({ command }) => command.startsWith("nix-store\0--serve"))
    .map(({ pid }) => pid);

describeIsolated("the store's own answers", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(52_700);
  });
  afterAll(async () => {
    await nix?.close();
  });

  async function nixStore(...argv: string[]): Promise<string> {
    const result = await nix.workspace.launch({ argv: ["nix-store", ...argv], network: "none" });
    if (!ended(result)) throw new Error(`nix-store ${argv[0]}: ${text(result.stderr)}`);
    return text(result.stdout).trim();
  }

  /** What nix-store says when it is asked by a process of its own. */
  async function truth(path: string): Promise<object> {
    const base32 = await nixStore("--query", "--hash", path);
    const converted = await nix.workspace.launch({
      argv: ["nix", "hash", "to-sri", base32],
      network: "none",
    });
    return {
      narHash: text(converted.stdout).trim(),
      narSize: Number(await nixStore("--query", "--size", path)),
    };
  }

  test("are true now: before it is built, when it is, when it is deleted, and when it is built again", async () => {
    const drvs = await instantiateIn(
      nix,
      `rec { low = mk "serve-low" "echo > $out" []; high = mk "serve-high" "read any < /proc/sys/kernel/random/uuid; echo $any \${low} > $out" []; }`,
    );
    const [low = "", high = ""] = await Promise.all(
      ["low", "high"].map((name) => nixStore("--query", "--outputs", drvs.get(name)!)),
    );
    const look = async (): Promise<object> => {
      const infos = await pathInfos(nix.workspace, [low, high], NEVER);
      expect(await invalidPaths(nix.workspace, [low, high], NEVER)).toEqual(
        new Set([low, high].filter((path) => !infos.has(path))),
      );
      return Object.fromEntries(infos);
    };
    expect(await look()).toEqual({});
    await nixStore("--realise", drvs.get("low")!);
    expect(await look()).toEqual({ [low]: await truth(low) });
    await nixStore("--realise", drvs.get("high")!);
    const first = await truth(high);
    expect(await look()).toEqual({ [low]: await truth(low), [high]: first });
    await nixStore("--delete", high);
    expect(await look()).toEqual({ [low]: await truth(low) });
    await nixStore("--realise", drvs.get("high")!);
    expect(await look()).toEqual({ [low]: await truth(low), [high]: await truth(high) });
    expect(await truth(high)).not.toEqual(first);
    expect(nix.started.filter(([, argument]) => argument === "--serve")).toEqual([]);
    expect(await serving()).toHaveLength(1);
  });

  test("come from one process, from another one when it dies; and it ends with the job", async () => {
    const job = await nix.openJob();
    const before = await serving();
    const { workspace } = job;
    const missing = `/nix/store/${"0".repeat(32)}-nobody`;
    expect(await invalidPaths(workspace, [missing], NEVER)).toEqual(new Set([missing]));
    const [own = 0, ...others] = (await serving()).filter((pid) => !before.includes(pid));
    expect(others).toEqual([]);
    process.kill(own, "SIGKILL");
    expect(await invalidPaths(workspace, [missing], NEVER)).toEqual(new Set([missing]));
    expect(await serving()).not.toContain(own);
    await expect(invalidPaths(workspace, ["/nix/store/no-path"], NEVER)).rejects.toThrow(
      /asking the store: nix-store --serve exited with 1: error: /u,
    );
    expect(await invalidPaths(workspace, [missing], NEVER)).toEqual(new Set([missing]));
    await job.close();
    await until("no process is left", async () => (await serving()).length === before.length);
  });
});
