import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { look } from "../../../src/runner/doctor/look.ts";
import { healthy, json, words } from "../../../src/runner/doctor/report.ts";
import { run } from "../../../src/runner/process/index.ts";
import { describeIsolated, scratch } from "../isolation/support.ts";
import { folder, nixForTest, type NixForTest } from "../nix/support.ts";
import { SICK, WELL } from "./trees.ts";

const Printed = z.strictObject({
  ok: z.boolean(),
  problems: z.array(
    z.strictObject({
      level: z.enum(["error", "warning", "note"]),
      file: z.literal(".github/snowcat.yml"),
      line: z.number().nullable(),
      column: z.number().nullable(),
      key: z.string(),
      message: z.string(),
    }),
  ),
  seen: z.record(z.string(), z.number()),
  roots: z
    .array(
      z.strictObject({
        repository: z.number(),
        name: z.string(),
        ref: z.string(),
        at: z.number(),
        outputs: z.number(),
      }),
    )
    .nullable(),
  seconds: z.number(),
});

describeIsolated("snowcat doctor", () => {
  let nix: NixForTest;
  beforeAll(async () => {
    nix = await nixForTest(59_400);
  });
  afterAll(() => nix.close());

  async function checkout(files: Record<string, string>): Promise<string> {
    const made = await folder(files);
    await chmod(join(made, "steps/go"), 0o755);
    return made;
  }

  async function looked(files: Record<string, string>) {
    const made = await checkout(files);
    try {
      const { workspace, facts } = nix;
      const { signal } = new AbortController();
      const now = () => performance.now();
      const found = await look({ workspace, facts, checkout: made, systems: null, signal, now });
      return { ...found, roots: null };
    } finally {
      await nix.workspace.launch({
        argv: ["rm", "-rf", `${nix.workspace.directory}/source`],
        network: "none",
      });
      await rm(made, { recursive: true });
    }
  }

  test("a repository whose configuration names what is there is healthy", async () => {
    const found = await looked(WELL);
    expect(found).toMatchObject({
      problems: [],
      seen: { attributes: 5, machines: 1, tests: 2, push: 2, rollouts: 1, bumps: 0 },
    });
    expect(healthy(found)).toBe(true);
  });

  test("KRO-2, KRO-3: the templates of krops are compared, and what is the operator's is said", async () => {
    const found = await looked({
      ...WELL,
      ".github/snowcat.yml": WELL[".github/snowcat.yml"].replace(
        "rollouts:",
        "  machine1: { method: krops }\nrollouts:",
      ),
      "example-krops.nix":
        "let deploy = import ./krops.nix; example-machine = deploy { }; in { inherit example-machine; }",
      "config/machines/example-machine/configuration.nix": "{ }",
      "config/machines/forgotten/configuration.nix": "{ }",
    });
    expect(found.problems.map(({ level, message }) => [level, message])).toEqual([
      ["note", expect.stringContaining("example-krops.nix is looked at in its place")],
      ["warning", expect.stringContaining("forgotten is in config/machines and not in krops.nix")],
    ]);
  });

  test("what is not there is told where it is named", async () => {
    const found = await looked(SICK);
    await expect(words(found)).toMatchFileSnapshot("golden/sick.txt");
    const { problems, ok } = Printed.parse(JSON.parse(json(found, 1)));
    expect(ok).toBe(false);
    const lines = SICK[".github/snowcat.yml"].split("\n");
    for (const { line, key } of problems) {
      const last = key.split(".").at(-1)!;
      // Items of a list have no name of their own.
      if (!/^\d*$/u.test(last)) expect(lines[(line ?? 0) - 1]).toContain(last);
    }
  });

  test("a flake that cannot be evaluated is told", async () => {
    expect((await looked({ "flake.nix": "{", "steps/go": "" })).problems).toMatchObject([
      { level: "error", line: null, message: expect.stringContaining("cannot be evaluated") },
    ]);
  });

  test("the command: a faulty configuration, what a runner's store keeps, no checkout", async () => {
    const state = await scratch();
    const doctor = async (...args: string[]) => {
      const entry = join(import.meta.dirname, "fixtures/doctor.ts");
      const result = await run([process.execPath, entry, "--state", join(state, "s"), ...args], {
        env: { PATH: process.env.PATH! },
      });
      const [printed, complained] = [result.stdout, result.stderr].map((bytes) =>
        new TextDecoder().decode(bytes),
      );
      return { code: result.exitCode, printed, complained };
    };
    await mkdir(join(state, "agent"), { recursive: true });
    const config = join(state, "config.json");
    const runner = {
      url: "https://snowcat.example",
      name: "r",
      stateDirectory: state,
      isolation: {},
    };
    await writeFile(config, JSON.stringify(runner));
    const faulty = await checkout({ ...WELL, ".github/snowcat.yml": "version: 1\n\u202eodd: 1\n" });
    const { code, printed, complained } = await doctor("--config", config, faulty);
    expect([complained, code]).toEqual(["", 1]);
    expect(printed).toMatch(/^\.github\/snowcat\.yml:2:1: error: \?odd: unknown key$/mu);
    expect(printed).toContain("kept from garbage collection: 0 outputs of 0 branches");
    await rm(faulty, { recursive: true });
    expect(await doctor("--odd")).toMatchObject({
      code: 2,
      complained: expect.stringContaining("usage"),
    });
    expect(await doctor("--help")).toMatchObject({ code: 0 });
    const none = await doctor("/nonexistent/checkout");
    expect(none).toMatchObject({
      code: 2,
      complained: expect.stringContaining("is not a directory"),
    });
    await rm(state, { recursive: true, force: true });
  });
});
