import { rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { run } from "../../../src/runner/process/index.ts";
import { describeIsolated, scratch } from "../isolation/support.ts";
import { flake, folder } from "../nix/support.ts";

const Printed = z.strictObject({
  attributes: z.array(
    z.strictObject({
      name: z.string(),
      system: z.string().nullable(),
      drv: z.string().nullable(),
      verdict: z.string(),
      seconds: z.number(),
      log_tail: z.string(),
    }),
  ),
  seconds: z.number(),
});

describeIsolated("snowcat check", () => {
  let state: string;
  beforeAll(async () => {
    state = await scratch();
  });
  afterAll(async () => {
    await rm(state, { recursive: true, force: true });
  });

  async function snowcat(
    ...args: string[]
  ): Promise<{ code: number | null; printed: string; complained: string }> {
    const entry = join(import.meta.dirname, "fixtures/check.ts");
    const result = await run([process.execPath, entry, "--state", join(state, "s"), ...args], {
      env: { PATH: process.env.PATH! },
    });
    return {
      code: result.exitCode,
      printed: new TextDecoder().decode(result.stdout),
      complained: new TextDecoder().decode(result.stderr),
    };
  }

  test("what git tracks counts, changes included; the exit code tells", async () => {
    const checkout = await folder({
      "flake.nix": flake(
        `packages.x86_64-linux = { a = mk "a" "echo made; echo > $out" []; seen = mk (if builtins.pathExists ./untracked then "untracked" else "tracked") "echo > $out" []; };`,
      ),
    });
    const git = (...args: string[]) =>
      run(["git", ...args], { cwd: checkout, env: { PATH: process.env.PATH!, HOME: checkout } });
    await git("init", "--quiet");
    await git("add", "flake.nix");
    await writeFile(join(checkout, "untracked"), "");
    const good = await snowcat("--json", checkout);
    expect(good.complained + good.code).toMatch(/0$/u);
    const { attributes } = Printed.parse(JSON.parse(good.printed));
    expect(
      attributes.map(({ name, system, verdict, log_tail }) => [name, system, verdict, log_tail]),
    ).toEqual([
      ["packages.x86_64-linux.a", "x86_64-linux", "succeeded", "made"],
      ["packages.x86_64-linux.seen", "x86_64-linux", "succeeded", ""],
    ]);
    expect(attributes[1]?.drv).toMatch(/-tracked\.drv$/u);

    await writeFile(
      join(checkout, "flake.nix"),
      flake(`packages.x86_64-linux.a = mk "a" "echo why; exit 3" [];`),
    );
    const bad = await snowcat("--json", checkout);
    expect(bad.code).toBe(1);
    expect(Printed.parse(JSON.parse(bad.printed)).attributes).toEqual([
      expect.objectContaining({ verdict: "failed", log_tail: "why" }),
    ]);
    const told = await snowcat(checkout);
    expect(told.printed).toContain(
      "FAILED  packages.x86_64-linux.a: the builder failed with exit code 3",
    );
    await rm(checkout, { recursive: true });
  });

  test("a flake that does not parse has an entry of its own", async () => {
    const checkout = await folder({ "flake.nix": "{" });
    const { code, printed } = await snowcat("--json", checkout);
    expect(code).toBe(1);
    expect(Printed.parse(JSON.parse(printed)).attributes).toEqual([
      expect.objectContaining({
        name: ".",
        drv: null,
        verdict: "evaluation-error",
        log_tail: expect.stringContaining("flake.nix:"),
      }),
    ]);
    await rm(checkout, { recursive: true });
  });

  test("a configuration that is wrong, at its line", async () => {
    const checkout = await folder({
      "flake.nix": flake(""),
      ".github/snowcat.yml": "version: 1\nevaluat: []\n",
    });
    const { code, printed } = await snowcat("--json", checkout);
    expect(code).toBe(1);
    expect(Printed.parse(JSON.parse(printed)).attributes).toEqual([
      expect.objectContaining({
        name: ".github/snowcat.yml",
        log_tail: expect.stringContaining(".github/snowcat.yml:2: evaluat"),
      }),
    ]);
    await rm(checkout, { recursive: true });
  });

  test("two at once: each has a store of its own, and nobody is told of connections", async () => {
    const checkout = await folder({
      "flake.nix": flake(`packages.x86_64-linux.a = mk "both" "echo > $out" [];`),
    });
    const both = await Promise.all([snowcat("--json", checkout), snowcat("--json", checkout)]);
    for (const { code, printed, complained } of both) {
      expect(complained + code).toBe("0");
      expect(Printed.parse(JSON.parse(printed)).attributes).toEqual([
        expect.objectContaining({ verdict: "succeeded" }),
      ]);
    }
    const places = await Promise.all(["s", "s-1"].map((name) => stat(join(state, name, "store"))));
    expect(places.every((place) => place.isDirectory())).toBe(true);
    await rm(checkout, { recursive: true });
  });

  test("no such checkout", async () => {
    const { code, complained } = await snowcat("/nonexistent/checkout");
    expect(code).toBe(2);
    expect(complained).toContain("is not a directory");
  });
});
