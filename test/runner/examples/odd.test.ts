import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { realise } from "../../../src/runner/nix/build/batch.ts";
import { outcome } from "../../../src/runner/nix/build/outcome.ts";
import type { Canaries } from "../../hostile/index.ts";
import { odd } from "../../hostile/outputs.ts";
import { describeIsolated } from "../isolation/support.ts";
import { instantiateIn } from "../nix/building.ts";
import type { NixForTest } from "../nix/support.ts";
import { nixForTest } from "../nix/support.ts";

const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
const execute = promisify(execFile);

describeIsolated("odd builders", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(54_500);
  });
  afterAll(async () => {
    await nix?.close();
  });

  test("each has a verdict of its own, and none harms another", async () => {
    const attack = odd(SYSTEM);
    const canaries = { nonce: randomBytes(8).toString("hex"), system: SYSTEM } as Canaries;
    const { byName } = await nix.check(attack.tree(canaries) as Record<string, string>);
    if (attack.expect.kind !== "attributes") throw new Error("it names its verdicts");
    const { verdicts } = attack.expect;
    expect([...byName.keys()].toSorted()).toEqual(Object.keys(verdicts).toSorted());
    const wrong = [...byName]
      .filter(([name, { verdict }]) => !(verdicts[name] ?? []).includes(verdict.kind))
      .map(([name, { verdict }]) => ({ name, verdict }));
    expect(wrong).toEqual([]);
    const row = (name: string) => byName.get(`packages.${SYSTEM}.${name}`);
    expect(row("twin-of-neighbour")?.drv).toBe(row("neighbour")?.drv);
    expect(row("twin-that-fails")?.verdict).toEqual(row("named-rf-and-fails")?.verdict);
    for (const { verdict } of byName.values()) {
      // Fit for a report: no control characters but tab and newline.
      if ("logTail" in verdict) expect(verdict.logTail).not.toMatch(/[^\P{Cc}\t\n]/u);
    }
    const said = row("prints-what-is-no-text")?.verdict;
    expect(said).toMatchObject({ logTail: expect.stringContaining("red") });

    // What is in the store is what was built: whole, nobody's to write, and nothing besides.
    const store = join(nix.state, "store");
    await execute("nix-store", ["--store", `local?root=${store}`, "--verify", "--check-contents"]);
    const writable = "-perm /6222 -not -type l -not -name *.lock -not -path */.links*".split(" ");
    const paths = join(store, "nix/store");
    const found = await execute("find", [paths, "-mindepth", "1", ...writable]);
    expect(found.stdout).toBe("");
    expect(await readdir(join(store, "nix/store"))).not.toContain("owned");
    expect(await readdir(join(nix.state, "builds"))).toEqual([]);
  });

  test("an output that makes Nix give up the whole process is not its neighbours' failure: they are built again", async () => {
    const nonce = randomBytes(8).toString("hex");
    const drvs = await instantiateIn(
      nix,
      `{ pipe = mk "pipe-${nonce}" "sleep 1; mkfifo $out" []; neighbour = mk "beside-${nonce}" "echo begun; sleep 3; echo > $out" []; }`,
    );
    const [pipe = "", neighbour = ""] = [drvs.get("pipe"), drvs.get("neighbour")];
    // In one process, side by side, as what is left over at the end of a job is built.
    const end = await realise({
      workspace: nix.workspace,
      drvs: [pipe, neighbour],
      jobs: 2,
      limits: { buildSeconds: 60, silentSeconds: 60 },
      oomKills: async () => null,
      signal: new AbortController().signal,
      now: () => performance.now(),
      onLine: () => {},
      onNotice: () => {},
    });
    expect([...end.watch.builds.keys()].toSorted()).toEqual([pipe, neighbour].toSorted());
    const { failed, again, unexplained } = outcome(
      end,
      [pipe, neighbour],
      () => true,
      () => false,
    );
    expect([...failed.keys()]).toEqual([pipe]);
    expect(failed.get(pipe)).toMatchObject({ kind: "failed" });
    expect({ again, unexplained }).toEqual({ again: [neighbour], unexplained: [] });
  });
});
