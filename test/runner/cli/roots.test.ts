import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { RunnerConfiguration, agentDirectory } from "../../../src/runner/agent/configuration.ts";
import { RootTable } from "../../../src/runner/nix/roots/table.ts";
import { run } from "../../../src/runner/process/index.ts";

const main = join(import.meta.dirname, "../../../src/runner/main.ts");
let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-cli-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function roots(...args: string[]): Promise<string> {
  const file = join(directory, "runner.json");
  const result = await run([process.execPath, main, "roots", "--config", file, ...args], {
    env: { PATH: process.env.PATH ?? "" },
    input: "",
  });
  expect(Buffer.from(result.stderr).toString()).toBe("");
  expect(result.exitCode).toBe(0);
  return Buffer.from(result.stdout).toString();
}

it("lists what a runner keeps, the newest branch first, for people and for programs", async () => {
  const configuration = {
    url: "http://127.0.0.1:9",
    stateDirectory: directory,
    name: "a",
    isolation: {},
  };
  await writeFile(join(directory, "runner.json"), JSON.stringify(configuration));
  expect(await roots()).toBe("0 outputs of 0 branches are kept\n");

  const agent = agentDirectory(RunnerConfiguration.parse(configuration));
  await mkdir(agent, { recursive: true });
  const links = join(directory, "links");
  await mkdir(links);
  const table = await RootTable.open(agent, links, 0);
  const good = { attribute: ".#a", output: "out", path: `/nix/store/${"0".repeat(32)}-a` };
  const old = { repository: 7, name: "o/r", ref: "refs/heads/main" };
  const hostile = { repository: 8, name: "o/s", ref: "refs/heads/\u001b[31m\u202e" };
  await table.keep(old, [good, { ...good, output: "doc" }], 1_000);
  await table.keep(hostile, [good], 2_000);
  expect((await roots()).split("\n")).toEqual([
    "o/s (8)  refs/heads/?[31m?  1 outputs, good last 1970-01-01T00:00:02.000Z",
    "o/r (7)  refs/heads/main  2 outputs, good last 1970-01-01T00:00:01.000Z",
    "3 outputs of 2 branches are kept",
    "",
  ]);
  expect(JSON.parse(await roots("--json"))).toEqual([
    { ...hostile, at: 2_000, roots: [good] },
    { ...old, at: 1_000, roots: [good, { ...good, output: "doc" }] },
  ]);
});
