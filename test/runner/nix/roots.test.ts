import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Good } from "../../../src/runner/nix/roots/table.ts";
import { readRoots, RootTable } from "../../../src/runner/nix/roots/table.ts";

const DAY = 24 * 3_600_000;
const main = { repository: 7, name: "o/r", ref: "refs/heads/main" };
const topic = { ...main, ref: "refs/heads/../../topic\n" };
const good = (name: string, version = 0, output = "out"): Good => ({
  attribute: `.#packages.x86_64-linux.${name}`,
  output,
  path: `/nix/store/${String(version).repeat(32)}-${name}`,
});

let directory: string;
let links: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-roots-"));
  links = join(directory, "links");
  await mkdir(links);
});
afterEach(() => rm(directory, { recursive: true }));

const open = (now = 0, most?: number) => RootTable.open(directory, links, now, most);
/** Where every link leads to, as a garbage collection finds it. */
async function kept(): Promise<string[]> {
  const files = await readdir(links, { recursive: true, withFileTypes: true });
  const found = files.filter((file) => file.isSymbolicLink());
  const paths = await Promise.all(found.map((file) => readlink(join(file.parentPath, file.name))));
  return paths.toSorted();
}
const paths = (...list: Good[]) => list.map(({ path }) => path).toSorted();

test("the last good output of each attribute and branch is kept, and only that", async () => {
  const table = await open();
  await table.keep(main, [good("a"), good("b"), good("b", 0, "doc")], 1);
  await table.keep(topic, [good("a", 1)], 2);
  await table.keep(main, [good("a", 2)], 3);
  expect(await kept()).toEqual(paths(good("a", 2), good("b"), good("b"), good("a", 1)));
  expect((await readRoots(directory)).map(({ ref, at, roots }) => [ref, at, roots.length])).toEqual(
    [
      [main.ref, 3, 3],
      [topic.ref, 2, 1],
    ],
  );
  // A branch's name leads nowhere.
  expect((await readdir(links)).every((name) => /^7-[0-9a-f]{32}$/u.test(name))).toBe(true);
});

test("what a whole evaluation does not name is kept no longer; a closed branch keeps nothing", async () => {
  const table = await open();
  await table.keep(main, [good("a"), good("b")], 1);
  await table.keep(topic, [good("c")], 1);
  await table.retain(main, new Set([good("a").attribute]), 2);
  expect(await kept()).toEqual(paths(good("a"), good("c")));
  await table.release(topic);
  expect(await kept()).toEqual(paths(good("a")));
  expect((await open()).list()).toEqual([{ ...main, at: 2, roots: [good("a")] }]);
});

test("the next life of the agent takes up the table, and the folder says what the table says", async () => {
  const before = await open();
  await before.keep(main, [good("a"), good("b")], 1);
  // Killed in the middle of things: half a line, a link too few, others too many.
  await appendFile(join(directory, "roots.ndjson"), '{"repository":7,"ref":"refs/hea');
  const [folder = ""] = await readdir(links);
  const [first = ""] = await readdir(join(links, folder));
  await rm(join(links, folder, first));
  await symlink("/nix/store/x", join(links, folder, "left.new"));
  await mkdir(join(links, "stranger"));
  const table = await open(2);
  expect(await kept()).toEqual(paths(good("a"), good("b")));
  expect(await readdir(links)).toEqual([folder]);
  await table.keep(main, [good("a", 3)], 3);
  expect(await kept()).toEqual(paths(good("a", 3), good("b")));
});

test("what was good too long ago goes, and so does the oldest branch above the bound", async () => {
  const table = await open(0, 3);
  await table.keep(main, [good("a"), good("b")], 1 * DAY);
  await table.keep(topic, [good("c")], 2 * DAY);
  await table.keep({ ...main, repository: 8 }, [good("d")], 3 * DAY);
  expect(await kept()).toEqual(paths(good("c"), good("d")));
  expect((await open(92 * DAY)).list().map(({ repository }) => repository)).toEqual([7, 8]);
  expect((await open(93 * DAY)).list().map(({ repository }) => repository)).toEqual([8]);
  expect(await kept()).toEqual(paths(good("d")));
});

test("a thousand outputs that have not changed cost no link and no line", async () => {
  const table = await open();
  const many = Array.from({ length: 1_000 }, (_, n) => good(`n${n}`));
  await table.keep(main, many, 1);
  const lines = await readFile(join(directory, "roots.ndjson"), "utf8");
  expect(lines.trim().split("\n").length).toBe(1);
  await table.keep(main, many, 2);
  expect(await readFile(join(directory, "roots.ndjson"), "utf8")).toBe(lines);
  expect((await kept()).length).toBe(1_000);
});
