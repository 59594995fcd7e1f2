import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfiguration } from "../../../src/runner/agent/configuration.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-configuration-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function read(fields: object): Promise<{ toolFolder: string | null }> {
  const file = join(directory, "runner.json");
  const whole = { url: "http://127.0.0.1:9", stateDirectory: "/var/lib/a", name: "a", ...fields };
  await writeFile(file, JSON.stringify({ isolation: {}, ...whole }));
  return await readConfiguration(file);
}

describe("a folder of tools", () => {
  it.each(["/tmp", "/tmp/tools", "//tmp//tools", "/opt/../tmp/tools", "/home/ops/tools"])(
    "at %s is refused: jobs see another folder there",
    async (toolFolder) => {
      const refused = await read({ toolFolder }).then(
        () => "it was read",
        (error: Error) => error.message,
      );
      expect(refused).toContain(join(directory, "runner.json"));
      expect(refused).toMatch(/lies below \/(?:tmp|home), and jobs have a .* of their own/u);
      expect(refused).toContain("toolFolder");
    },
  );

  it.each(["/opt/tools", "/tmpfiles/tools", "/var/tmp/tools", "/tmp/../opt/tools"])(
    "at %s is taken",
    async (toolFolder) => {
      expect((await read({ toolFolder })).toolFolder).toBe(toolFolder);
    },
  );

  it("is anywhere where jobs have nothing of their own", async () => {
    expect((await read({ isolation: "none", toolFolder: "/tmp/tools" })).toolFolder).toBe(
      "/tmp/tools",
    );
  });
});
