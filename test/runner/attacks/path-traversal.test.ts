import { lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { attributeName } from "../../../src/protocol/attribute.ts";
import { LogBudget } from "../../../src/runner/log/budget.ts";
import { LogParts } from "../../../src/runner/log/parts.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { OutgoingLog } from "../../../src/runner/log/stream.ts";
import { Links } from "../../../src/runner/nix/roots/links.ts";
import { Redaction } from "../../../src/runner/redaction/index.ts";
import { awkwardNames } from "../../hostile/names.ts";

/**
 * Path traversal: the names of attributes were names of files. Here the only file that is made for an attribute is
 * called by a hash, and the name of a log is a word.
 */

/** So deep that no name below leads out of it: without the guard the test would overwrite the host's own files. */
const DEEP = "a/b/c/d/e/f/g/h";
let top: string;
let root: string;
beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), "snowcat-traversal-"));
  root = join(top, DEEP);
  await mkdir(root, { recursive: true });
});
afterEach(() => rm(top, { recursive: true, force: true }));

const names = [
  ...awkwardNames,
  ...awkwardNames.map((name) => attributeName(["packages", "x86_64-linux", name])),
  "../../outside",
  "..\u0000",
  "a/../../outside",
];

/** Every folder, file and link below the top, but those of the one folder that roots are for. */
const elsewhere = async () =>
  (await readdir(top, { recursive: true }))
    .filter((path) => !path.startsWith(`${DEEP}/roots/`))
    .toSorted();

test("no name of these tests leads out of their own folder", () => {
  const folder = join(root, "roots/branch");
  for (const name of names) expect(join(folder, name).startsWith(`${top}/`), name).toBe(true);
});

test("a root is a file in its own folder, whatever its attribute is called", async () => {
  await mkdir(join(root, "roots"));
  await writeFile(join(root, "outside"), "as it was");
  // Where "../../../../etc/passwd" leads from the folder of roots.
  const victim = join(root, "roots/branch", "../../../../etc/passwd");
  await mkdir(dirname(victim));
  await writeFile(victim, "as it was");
  const before = await elsewhere();
  const links = new Links(join(root, "roots"));
  const put = () =>
    links.put(
      "branch",
      names.map((key) => ({ key, path: "/nix/store/x" })),
    );
  await put();
  await put();
  const untouched = async () => {
    expect(await elsewhere()).toEqual(before);
    for (const file of [join(root, "outside"), victim]) {
      expect((await lstat(file)).isFile(), file).toBe(true);
      expect(await readFile(file, "utf8"), file).toBe("as it was");
    }
  };
  await untouched();
  expect(await readdir(join(root, "roots"))).toEqual(["branch"]);
  const files = await readdir(join(root, "roots/branch"));
  expect(files.every((file) => /^[0-9a-f]{40}$/u.test(file))).toBe(true);
  expect(files).toHaveLength(new Set(names).size);
  await links.drop("branch", names);
  expect(await readdir(join(root, "roots/branch"))).toEqual([]);
  await untouched();
});

test("a log's name is a word, or is refused before anything is written", () => {
  const parts = new LogParts(() => Promise.resolve(), systemClock);
  for (const name of names) {
    const word = /^[\w+.?=-]+$/u.test(name) && name !== "." && name !== ".." && name.length < 256;
    const open = () =>
      new OutgoingLog({ name, budget: new LogBudget(), redactor: new Redaction().stream(), parts });
    if (word) expect(open, name).not.toThrow();
    else expect(open, name).toThrow(/Invalid/u);
  }
});
