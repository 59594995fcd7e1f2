import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundleOptions } from "../../../src/runner/bundle/options.ts";
import { run } from "../../../src/runner/process/index.ts";

const root = join(import.meta.dirname, "../../..");
let directory = "";
let file = "";
let inputs: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-bundle-"));
  file = join(directory, "snowcat.mjs");
  const { metafile } = await build(bundleOptions(root, file));
  inputs = Object.keys(metafile?.inputs ?? {});
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const snowcat = async (...args: string[]) => {
  // Elsewhere, so that nothing of the checkout is found by accident.
  const result = await run([process.execPath, file, ...args], { cwd: directory, env: {} });
  return {
    code: result.exitCode,
    out: Buffer.from(result.stdout).toString(),
    err: Buffer.from(result.stderr).toString(),
  };
};

it("starts as one file, and says what it can do", async () => {
  const { code, out } = await snowcat("--help");
  expect(code).toBe(0);
  for (const command of ["enrol", "runner", "check"]) expect(out).toContain(`snowcat ${command}`);
});

it("has the package's version", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  expect((await snowcat("--version")).out.trim()).toBe(version);
});

it("holds nothing of the Worker", () => {
  expect(inputs).toContain("src/runner/main.ts");
  expect(
    inputs.filter(
      (input) =>
        input.startsWith("src/bot/") || /node_modules\/(?:hono|probot|@octokit)\//u.test(input),
    ),
  ).toEqual([]);
});

it("refuses what it does not know with exit code 64", async () => {
  expect(await snowcat("frobnicate")).toMatchObject({ code: 64 });
  expect(await snowcat("runner", "--frobnicate")).toMatchObject({ code: 64 });
  expect(await snowcat("enrol")).toMatchObject({
    code: 64,
    err: expect.stringContaining("--config"),
  });
});
