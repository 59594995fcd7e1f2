import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { run } from "../../../src/runner/process/index.ts";

const main = join(import.meta.dirname, "../../../src/runner/main.ts");
let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-cli-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function snowcat(configuration: unknown, ...args: string[]) {
  const file = join(directory, "runner.json");
  await writeFile(
    file,
    typeof configuration === "string" ? configuration : JSON.stringify(configuration),
  );
  const result = await run([process.execPath, main, ...args, "--config", file], {
    env: { PATH: process.env.PATH ?? "" },
    input: "",
  });
  return { code: result.exitCode, err: Buffer.from(result.stderr).toString() };
}
const base = () => ({ url: "http://127.0.0.1:9", stateDirectory: directory, name: "a" });

it("does not run without isolation unless both configuration and command line say so", async () => {
  expect(await snowcat({ ...base(), isolation: "none" }, "runner")).toMatchObject({
    code: 64,
    err: expect.stringContaining("--demo-without-isolation"),
  });
  expect(
    await snowcat({ ...base(), isolation: {} }, "runner", "--demo-without-isolation"),
  ).toMatchObject({ code: 64 });
});

it("does not run without an enrolled key", async () => {
  expect(
    await snowcat({ ...base(), isolation: "none" }, "runner", "--demo-without-isolation"),
  ).toMatchObject({ code: 78, err: expect.stringContaining("snowcat enrol") });
});

it("names what is wrong in its configuration", async () => {
  expect(await snowcat("{", "runner")).toMatchObject({
    code: 1,
    err: expect.stringContaining("not JSON"),
  });
  expect(await snowcat({ ...base(), isolation: "none", slot: 3 }, "runner")).toMatchObject({
    code: 1,
    err: expect.stringContaining("slot"),
  });
  expect(await snowcat({ ...base() }, "runner")).toMatchObject({
    code: 1,
    err: expect.stringContaining("isolation"),
  });
});

it("takes no code on the command line, and no empty one", async () => {
  expect(await snowcat({ ...base(), isolation: "none" }, "enrol", "--code", "x")).toMatchObject({
    code: 64,
  });
  expect(await snowcat({ ...base(), isolation: "none" }, "enrol")).toMatchObject({
    code: 64,
    err: expect.stringContaining("empty"),
  });
});
