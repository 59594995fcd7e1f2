import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Attack, Canaries } from "../../hostile/index.ts";
import { GRANDCHILD_SECONDS, greedy } from "../../hostile/greedy.ts";
import type { Row } from "../../../src/runner/check/report.ts";
import { describeIsolated, hostProcesses, until } from "../isolation/support.ts";
import type { NixForTest } from "../nix/support.ts";
import { nixForTest } from "../nix/support.ts";

/** The trees that `npm test` tries; `npm run test:slow` tries the others. */
export const QUICK_TREES: ReadonlySet<string> = new Set([
  "builder-says-nothing",
  "builder-leaves-grandchild",
]);

/** Trees that are too costly without limits, by the whole way from checkout to verdict, with short ones. */

const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
const LOOT = `packages.${SYSTEM}.loot`;
/** What the process that watches all of it may grow by (bytes): some buffers, never what is printed. */
const GROWTH = 192 * 1_024 ** 2;
/** Short only where the limit is what is tried: elsewhere a busy machine must not come into it. */
const limits = (attack: string) => `version: 1
limits:
  evaluation_seconds: ${attack === "evaluation-never-ends" ? 4 : 50}
  evaluation_bytes: 536870912
  build_seconds: 60
  silent_seconds: ${attack === "builder-says-nothing" || attack === "builder-ignores-signals" ? 2 : 50}
`;

/** What each comes to. Nothing of the canaries is used by these trees but the nonce and the system. */
const VERDICTS: Readonly<Record<string, readonly string[]>> = {
  "evaluation-prints-100-megabytes": ["succeeded"],
  "error-of-100-megabytes": ["evaluation-error"],
  "builder-prints-100-megabytes": ["succeeded"],
  "builder-prints-one-long-line": ["failed"],
  "evaluation-never-ends": ["evaluation-error"],
  "evaluation-takes-memory": ["evaluation-error"],
  "builder-says-nothing": ["silent"],
  "builder-forks": ["succeeded"],
  "builder-leaves-grandchild": ["succeeded", "failed"],
  "builder-ignores-signals": ["silent"],
};

/** @param wanted which of them, by name */
export function tryGreedyTrees(wanted: (name: string) => boolean): void {
  describeIsolated("greedy trees", () => {
    let nix: NixForTest;
    beforeAll(async () => {
      nix = await nixForTest(53_600);
    });
    afterAll(async () => {
      await nix?.close();
    });

    async function tried(attack: Attack): Promise<{ rows: readonly Row[]; grown: number }> {
      const canaries = { nonce: randomBytes(8).toString("hex"), system: SYSTEM } as Canaries;
      const files = Object.entries(attack.tree(canaries)).map(([path, entry]) => {
        if (typeof entry !== "string") throw new Error(`${attack.name} is not a tree of texts`);
        return [path, entry] as const;
      });
      const before = process.memoryUsage.rss();
      let most = before;
      const watching = setInterval(() => {
        most = Math.max(most, process.memoryUsage.rss());
      }, 20);
      try {
        const { rows } = await nix.check({
          ...Object.fromEntries(files),
          ".github/snowcat.yml": limits(attack.name),
        });
        return { rows, grown: most - before };
      } finally {
        clearInterval(watching);
      }
    }

    test.for(greedy(SYSTEM).filter(({ name }) => wanted(name)))("$name: $tries", async (attack) => {
      const { rows, grown } = await tried(attack);
      expect(rows.map(({ name }) => name)).toEqual([LOOT]);
      const [row] = rows;
      expect(VERDICTS[attack.name], JSON.stringify(row?.verdict).slice(0, 500)).toContain(
        row?.verdict.kind,
      );
      expect(JSON.stringify(row).length).toBeLessThan(100_000);
      if (row?.verdict.kind === "evaluation-error")
        expect(row.verdict.message).toMatch(/^x{1000}|more memory than the limit|took too long/u);
      expect(grown).toBeLessThan(GROWTH);
      // Nothing of it runs any more, in whatever session or namespace, and the job's folder has gone.
      await until("its processes have ended", async () =>
        (await hostProcesses()).every(
          ({ command }) => !command.includes(`sleep\0${GRANDCHILD_SECONDS}`),
        ),
      );
      // The two jobs that the test itself holds open.
      expect(await readdir(join(nix.state, "jobs"))).toHaveLength(2);
    });
  });
}
