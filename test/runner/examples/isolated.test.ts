import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { IsolatedJob } from "../../../src/runner/isolation/index.ts";
import { attacks, commitTree, type Attack } from "../../hostile/index.ts";
import { describeIsolated, err, isolationForTest, out, scratch } from "../isolation/support.ts";
import { plant, type Planted } from "./planted.ts";
import { exampleStore, type ExampleStore } from "./store.ts";

/**
 * The trial: every tree that plain Nix leaks for, evaluated and built in a job's sandbox, through the filtered daemon.
 * More is allowed here than a runner allows (`nixConfig` is accepted by the client, every port may be asked for), so that
 * what holds is the isolation.
 */

const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
const LIMIT_MS = 60_000;

/** Those that are after something; what does not evaluate, and names, are for the evaluation's own tests. */
const trees = attacks(SYSTEM).filter(
  ({ plainNix, expect: { kind } }) =>
    plainNix !== "costly" && (kind === "contained" || kind === "refused"),
);
const execute = promisify(execFile);

describeIsolated("in isolation", () => {
  let job: IsolatedJob;
  let planted: Planted;
  let elsewhere: ExampleStore;
  /** What has to be undone, the last thing first. */
  const undo: (() => PromiseLike<unknown>)[] = [];

  beforeAll(async () => {
    // Not in /tmp, of which every sandbox has its own.
    const host = await scratch("/var/tmp");
    undo.unshift(() => rm(host, { recursive: true }));
    await chmod(host, 0o755);
    elsewhere = await exampleStore();
    undo.unshift(() => elsewhere[Symbol.asyncDispose]());
    planted = await plant(host, SYSTEM, async (file) => {
      const added = await elsewhere.run(["nix-store", "--add-fixed", "sha256", file]);
      expect(added.code, added.stderr).toBe(0);
      return added.stdout.trim();
    });
    undo.unshift(() => planted[Symbol.asyncDispose]());
    // What is world-readable here is hidden by the sandbox, not by its mode.
    await chmod(planted.canaries.dropbox, 0o777);
    const place = await isolationForTest({ egress: ["*:*"] });
    undo.unshift(() => place.close());
    job = await place.isolation.openJob("hostile");
    undo.unshift(() => job.dispose());
  });
  afterAll(async () => {
    for (const step of undo) await step();
  });

  /** Puts the tree into the job as a repository: what it brings as .gitconfig or hooks comes along. */
  async function deliver(attack: Attack): Promise<string> {
    const canaries = { ...planted.canaries, nonce: randomBytes(8).toString("hex") };
    const folder = join(elsewhere.folder, "trees", attack.name);
    await commitTree(folder, attack.tree(canaries));
    const { stdout } = await execute("tar", ["--create", "--directory", folder, "."], {
      encoding: "buffer",
      maxBuffer: 64 * 1_024 * 1_024,
    });
    const inside = join(job.inside, attack.name);
    const unpacked = await job.run({
      argv: ["/bin/sh", "-c", 'mkdir "$1" && tar -x --no-same-owner -C "$1"', "sh", inside],
      input: stdout,
    });
    expect(unpacked.exitCode, err(unpacked)).toBe(0);
    return inside;
  }

  test.for(trees)("$name: $tries", { timeout: 2 * LIMIT_MS }, async (attack) => {
    const tree = await deliver(attack);
    const options = ["connect-timeout", "5", "download-attempts", "1"];
    const settings = [options.slice(0, 2), options.slice(2)].flatMap((pair) => [
      "--option",
      ...pair,
    ]);
    const result = await job.run({
      argv:
        attack.entry.kind === "file"
          ? [
              "nix-build",
              "--no-out-link",
              ...settings,
              join(tree, attack.entry.file),
              ...attack.entry.attributes.flatMap((name) => ["-A", name]),
            ]
          : [
              "nix",
              "build",
              "--print-build-logs",
              "--no-link",
              "--accept-flake-config",
              ...settings,
              `git+file://${tree}#packages.${SYSTEM}.loot`,
            ],
      network: "proxy",
      timeoutMs: LIMIT_MS,
    });
    expect(result).toMatchObject({ startFailure: null, timedOut: false });
    const said = out(result) + err(result);
    expect(said).not.toContain(planted.canaries.secret);
    expect(said).not.toContain(planted.canaries.visible);
    expect(await planted.traces()).toEqual([]);
    // A sandbox in which nothing works hides everything: this tree is harmless once its hooks do not run.
    if (attack.name === "git-hooks") expect(result.exitCode, said).toBe(0);
  });
});
