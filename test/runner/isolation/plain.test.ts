import { readdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { startIsolation } from "../../../src/runner/isolation/index.ts";
import { conversation, out } from "./support.ts";

test("without isolation a job has the same interface, and cleans up", async () => {
  const isolation = await startIsolation({ kind: "none" });
  expect(isolation.describe()).toContain("NOT ISOLATED");
  const job = await isolation.openJob("plain");
  const result = await job.run({
    argv: ["sh", "-c", 'cat; cat "$1/token"; pwd; echo $EXTRA; exit 4', "sh", job.secrets],
    input: "in ",
    files: [{ name: "token", content: "secret " }],
    env: { EXTRA: "extra" },
  });
  expect(result).toMatchObject({
    exitCode: 4,
    outOfMemory: false,
    peakBytes: null,
    enforcement: { memory: "none" },
  });
  expect(new TextDecoder().decode(result.stdout)).toBe(`in secret ${job.inside}\nextra\n`);
  expect(await readdir(job.secrets)).toEqual([]);
  await expect(
    job.run({ argv: ["true"], binds: [{ source: "/x", target: "/src", access: "read-only" }] }),
  ).rejects.toThrow("binds need isolation");
  const conversed = await conversation(job);
  expect([conversed.exitCode, out(conversed)]).toEqual([3, "<first>\n<end>\n"]);
  const running = job.run({ argv: ["sleep", "1000"] });
  await job.dispose();
  expect((await running).cancelled).toBe(true);
  await expect(stat(dirname(job.inside))).rejects.toThrow("ENOENT");
});
