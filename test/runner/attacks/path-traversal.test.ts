import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "snowcat-traversal-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const names = [
  ...awkwardNames,
  ...awkwardNames.map((name) => attributeName(["packages", "x86_64-linux", name])),
  "../../outside",
  "..\u0000",
  "a/../../outside",
];

test("a root is a file in its own folder, whatever its attribute is called", async () => {
  await mkdir(join(root, "roots"));
  await writeFile(join(root, "outside"), "as it was");
  const links = new Links(join(root, "roots"));
  const put = () =>
    links.put(
      "branch",
      names.map((key) => ({ key, path: "/nix/store/x" })),
    );
  await put();
  await put();
  expect(await readdir(root)).toEqual(["outside", "roots"]);
  expect(await readFile(join(root, "outside"), "utf8")).toBe("as it was");
  expect(await readdir(join(root, "roots"))).toEqual(["branch"]);
  const files = await readdir(join(root, "roots/branch"));
  expect(files.every((file) => /^[0-9a-f]{40}$/u.test(file))).toBe(true);
  expect(files).toHaveLength(new Set(names).size);
  await links.drop("branch", names);
  expect(await readdir(join(root, "roots/branch"))).toEqual([]);
  expect(await readdir(root)).toEqual(["outside", "roots"]);
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
