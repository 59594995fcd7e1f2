import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { commands } from "../../scripts/tools/table.mjs";

/** A cache of its own, as SNOWCAT_CACHE names one; read by a process of its own. */
let cache: string;
beforeEach(() => (cache = mkdtempSync(join(tmpdir(), "snowcat-cache-"))));
afterEach(() => rmSync(cache, { recursive: true, force: true }));

function installed(suite: string, number: string) {
  const folder = join(cache, "nix-1", suite);
  mkdirSync(join(folder, "bin"), { recursive: true });
  writeFileSync(join(folder, "snowcat.json"), JSON.stringify({ suite, number }));
  return folder;
}

/** Evaluates an expression over the functions of nix-versions.mjs. */
function ask(expression: string): unknown {
  const module = join(import.meta.dirname, "../../scripts/tools/nix-versions.mjs");
  const program = `import * as nix from ${JSON.stringify(module)}; console.log(JSON.stringify(${expression} ?? null));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, SNOWCAT_CACHE: cache },
  });
  return stdout === "" ? stderr : JSON.parse(stdout);
}

test("what has been put there is found; Debian unstable's does not gate", () => {
  const folder = installed("sid", "2.99.1");
  expect(ask("nix.nixInstalls()")).toContainEqual({
    suite: "sid",
    number: "2.99.1",
    bin: join(folder, "bin"),
    gating: false,
  });
});

test("SNOWCAT_NIX puts one before everything else, and takes another's place", () => {
  const bin = join(installed("sid", "2.99.1"), "bin");
  const other = join(cache, "nix-1/trixie/bin");
  const env = { SNOWCAT_NIX: "sid", PATH: `${other}:/usr/bin:${bin}` };
  expect(ask(`nix.nixEnvironment(${JSON.stringify(env)})`)).toEqual({ PATH: `${bin}:/usr/bin` });
  expect(ask(`nix.nixEnvironment({ PATH: "/usr/bin" })`)).toEqual({});
});

test.each([
  ["sarge", 'SNOWCAT_NIX is "sarge"; there are: bookworm, trixie, sid'],
  ["sid", "Nix of sid is not here"],
])("SNOWCAT_NIX=%s is refused", (name, why) => {
  expect(ask(`nix.nixEnvironment({ SNOWCAT_NIX: ${JSON.stringify(name)} })`)).toContain(why);
});

test("a command is told what is missing: what it cannot do without in CI is the pair that gates", () => {
  const wants = (command: keyof typeof commands, env: object) =>
    ask(`nix.missingNix(${JSON.stringify(commands[command])}, ${JSON.stringify(env)})`);
  expect(wants("test", {})).toEqual([]);
  expect(wants("test", { SNOWCAT_NIX: "sid" })).toEqual([{ suite: "sid", needed: true }]);
  expect(wants("test:slow", {})).toContainEqual({ suite: "sid", needed: false });
  const inCi = wants("test:slow", { CI: "true" }) as { suite: string; needed: boolean }[];
  expect(inCi.filter(({ needed }) => needed).map(({ suite }) => suite)).not.toContain("sid");
  expect(inCi.some(({ needed }) => needed)).toBe(true);
  installed("sid", "2.99.1");
  expect(wants("test", { SNOWCAT_NIX: "sid" })).toEqual([]);
});
