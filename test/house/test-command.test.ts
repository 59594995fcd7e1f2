import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

/** `npm test` in a checkout of its own, without the part of with-tools. */
let root: string;

beforeEach(() => {
  const checkout = join(import.meta.dirname, "../..");
  root = mkdtempSync(join(tmpdir(), "snowcat-test-command-"));
  for (const name of ["scripts", "vitest.config.ts", "package.json"]) {
    cpSync(join(checkout, name), join(root, name), { recursive: true });
  }
  symlinkSync(join(checkout, "node_modules"), join(root, "node_modules"));
  mkdirSync(join(root, "test/core"), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function npmTest(files: Readonly<Record<string, string>>, ...args: string[]) {
  for (const [name, body] of Object.entries(files)) {
    const imports = `import { beforeAll, describe, expect, test } from "vitest";\n`;
    writeFileSync(join(root, "test/core", `${name}.test.ts`), imports + body);
  }
  const missing = [{ name: "nix", package: "nix-bin", why: "evaluates flakes" }];
  const { status, stdout } = spawnSync(process.execPath, [join(root, "scripts/test.ts"), ...args], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], SNOWCAT_MISSING: JSON.stringify(missing) },
  });
  return { status, lines: stdout.trimEnd().split("\n") };
}

const passes = `test("fine", () => expect(1).toBe(1));`;

test("success, with what was skipped and why", () => {
  const skips = `import { cannotRun } from "../../scripts/test/missing.ts";
    test("builds", (context) => {
      const why = cannotRun("nix", "git");
      if (why) return context.skip(why);
      expect(1).toBe(2);
    });`;
  const { status, lines } = npmTest({ passes, skips });
  expect(status).toBe(0);
  expect(lines.at(-1)).toBe("1 passed, 0 failed, 1 skipped");
  expect(lines.at(-2)).toMatch(/^\d+\.\d seconds$/);
  expect(lines.slice(-4, -2)).toEqual([
    "skipped, this machine lacks nix:",
    "  test/core/skips.test.ts > builds",
  ]);
});

test.each([
  ["a failed test", `test("wrong", () => expect(1).toBe(2));`],
  ["a file that cannot be loaded", `import "./nowhere.ts";`],
  [
    "a failed hook",
    `describe("d", () => { beforeAll(() => { throw new Error("no"); }); ${passes} });`,
  ],
  [
    "a rejection nobody awaits",
    `test("r", async () => { Promise.reject(new Error("no")); await 1; });`,
  ],
])("%s is a failure", (_, body) => {
  const { status, lines } = npmTest({ passes, body });
  expect(status).toBe(1);
  expect(lines.at(-1)).toMatch(/^\d+ passed, 1 failed, \d+ skipped$/);
});

test("a filter picks files; one that picks nothing is a failure", () => {
  const other = `test("wrong", () => expect(1).toBe(2));`;
  const picked = npmTest({ passes, other }, "test/core/passes");
  expect(picked).toMatchObject({ status: 0 });
  expect(picked.lines.at(-1)).toBe("1 passed, 0 failed, 0 skipped");
  expect(npmTest({}, "test/nowhere").status).toBe(1);
});
