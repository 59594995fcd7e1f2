import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Tree } from "../../scripts/check/gate.ts";
import { gates } from "../../scripts/check/gates.ts";
import { plant } from "./tree.ts";

/**
 * Each rule is broken once, in a tree of its own, and its gate must name the file. `says` is what
 * only this fault makes the gate say, so that no other one can pass for it.
 */
interface Fault {
  readonly rule: string;
  readonly gate: string;
  readonly file: string;
  readonly content: string;
  readonly says: string;
}

const registry = ["registry", "npmjs", "org"].join(".");
const somebody = ["", "work", "main"].join("/");

const faults: readonly Fault[] = [
  ...forbidden("bot imports runner", "src/bot/to-runner.ts", "../runner/process/start.ts"),
  ...forbidden("runner imports bot", "src/runner/to-bot.ts", "../bot/worker.ts"),
  ...forbidden("core imports bot", "src/core/to-bot.ts", "../bot/worker.ts"),
  ...forbidden("core imports runner", "src/core/to-runner.ts", "../runner/process/start.ts"),
  ...forbidden("core imports a built-in", "src/core/to-node.ts", "node:fs"),
  ...forbidden("core imports a package", "src/core/to-package.ts", "hono"),
  ...forbidden("protocol imports core", "src/protocol/to-core.ts", "../core/decide.ts"),
  ...forbidden("execa outside process", "src/runner/to-execa.ts", "execa"),
  ...forbidden("execa in a test", "test/core/to-execa.ts", "execa"),
  ...forbidden("a process outside process", "src/runner/to-child.ts", "node:child_process"),
  ...forbidden("a process in the bot", "src/bot/to-child.ts", "child_process"),
  ...forbidden("hono outside bot", "src/runner/to-hono.ts", "hono/html"),
  ...forbidden("octokit outside bot", "src/runner/to-octokit.ts", "@octokit/rest"),
  ...forbidden("the platform outside bot", "src/runner/to-platform.ts", "cloudflare:workers"),
  ...forbidden("product imports tests", "src/runner/to-test.ts", "../../test/house/tree.ts"),
  {
    rule: "an import type is an import",
    gate: "imports",
    file: "src/runner/type-of-bot.ts",
    content: `export type Worker = import("../bot/worker.ts").default;\n`,
    says: `src/runner may not import "../bot/worker.ts"`,
  },
  {
    rule: "a computed import cannot hide",
    gate: "imports",
    file: "src/runner/computed.ts",
    content: `export const load = (name: string) => import(name);\n`,
    says: "computed name",
  },
  {
    rule: "a new folder needs a rule",
    gate: "imports",
    file: "src/drawer/one.ts",
    content: `export const one = 1;\n`,
    says: "no import rule covers",
  },
  {
    rule: "core has no clock",
    gate: "lint",
    file: "src/core/clock.ts",
    content: `export const now = () => Date.now();\n`,
    says: "no-restricted-globals",
  },
  {
    rule: "core has no randomness",
    gate: "lint",
    file: "src/core/dice.ts",
    content: `export const roll = () => Math.random();\n`,
    says: "no-restricted-properties",
  },
  {
    rule: "protocol has no clock",
    gate: "lint",
    file: "src/protocol/clock.ts",
    content: `export const now = () => new Date();\n`,
    says: "no-restricted-globals",
  },
  ...(["core", "bot", "runner"] as const).map((part) => ({
    rule: `a floating promise in ${part}`,
    gate: "lint",
    file: `src/${part}/floating.ts`,
    content: `const later = async () => 1;\nexport const go = () => {\n  later();\n};\n`,
    says: "no-floating-promises",
  })),
  {
    rule: "no any",
    gate: "lint",
    file: "src/bot/any.ts",
    content: `export const any = (value: any) => String(value);\n`,
    says: "no-explicit-any",
  },
  {
    rule: "nothing unread from outside",
    gate: "lint",
    file: "src/runner/unread.ts",
    content: `export const name = (text: string): string => JSON.parse(text).name;\n`,
    says: "no-unsafe-member-access",
  },
  {
    rule: "every case of a union",
    gate: "lint",
    file: "src/core/switch.ts",
    content: `export function one(kind: "a" | "b") {\n  switch (kind) {\n    case "a":\n      return 1;\n  }\n  return 0;\n}\n`,
    says: "switch-exhaustiveness-check",
  },
  {
    rule: "no test alone",
    gate: "lint",
    file: "test/core/only.test.ts",
    content: `import { expect, test } from "vitest";\n\ntest.only("one", () => {\n  expect(1).toBe(1);\n});\n`,
    says: "no-focused-tests",
  },
  ...[
    ["fetch", `export const go = () => fetch("http://localhost/");`],
    ["console", `export const go = () => console.log("");`],
    ["setTimeout", `export const go = () => setTimeout(() => undefined, 1);`],
    ["crypto", `export const go = () => crypto.randomUUID();`],
    ["process", `export const go = () => process.env;`],
  ].map(([name = "", content = ""]) => ({
    rule: `no ${name} in core`,
    gate: "types",
    file: `src/core/uses-${name}.ts`,
    content: `${content}\n`,
    says: `Cannot find name '${name}'`,
  })),
  {
    rule: "what Node cannot strip",
    gate: "types",
    file: "src/runner/enumeration.ts",
    content: `export enum Colour {\n  red,\n}\n`,
    says: "TS1294",
  },
  {
    rule: "an index may miss",
    gate: "types",
    file: "src/bot/index-access.ts",
    content: `export const first = (list: string[]): string => list[0];\n`,
    says: "TS2322",
  },
  {
    rule: "tests inside workerd know its types",
    gate: "types",
    file: "test/bot/wrong.test.ts",
    content: `import { reset } from "cloudflare:test";\n\nexport const wrong: number = reset;\n`,
    says: "TS2322",
  },
  {
    rule: "format",
    gate: "format",
    file: "src/core/unformatted.ts",
    content: `export const   one = {a:1}\n`,
    says: "not formatted",
  },
  {
    rule: "a dead export",
    gate: "dead",
    file: "src/protocol/frame.ts",
    content: `import * as z from "zod";\n\nexport const frame = z.object({ sequence: z.number() });\nexport const forgotten = 1;\n`,
    says: "forgotten",
  },
  {
    rule: "a dead file",
    gate: "dead",
    file: "src/core/dead-file.ts",
    content: `export const one = 1;\n`,
    says: "Unused files",
  },
  {
    rule: "a registry's host",
    gate: "text",
    file: "docs/host.md",
    content: `Take it from ${registry}.\n`,
    says: "package registry",
  },
  {
    rule: "a path of one machine",
    gate: "text",
    file: "docs/path.md",
    content: `Look into ${somebody}/src.\n`,
    says: "absolute path",
  },
  {
    rule: "a lint exception without a reason",
    gate: "text",
    file: "src/core/exception.ts",
    content: `// ${"ox"}lint-disable-next-line no-var\nexport const one = 1;\n`,
    says: "without a reason",
  },
  {
    rule: "an unchecked file",
    gate: "text",
    file: "src/core/unchecked.ts",
    content: `// ${"@ts"}-nocheck\nexport const one = 1;\n`,
    says: "type checker",
  },
  {
    rule: "a broken link",
    gate: "links",
    file: "docs/broken.md",
    content: "See [nothing](./nowhere.md#there).\n",
    says: "nowhere.md",
  },
  {
    rule: "a broken reference link",
    gate: "links",
    file: "docs/reference.md",
    content: "See [it][gone].\n\n[gone]: ../gone.md\n",
    says: "gone.md",
  },
  {
    rule: "a file too long",
    gate: "size",
    file: "src/core/long.ts",
    content: "export {};\n".repeat(401),
    says: "401 lines",
  },
  {
    rule: "a test that nobody runs",
    gate: "tests",
    file: "test/elsewhere/lost.test.ts",
    content: `export {};\n`,
    says: "no project",
  },
  {
    rule: "a lock file that npm ci refuses",
    gate: "lock",
    file: "package-lock.json",
    content: `{"packages":{"node_modules/a":{"optionalDependencies":{"a-darwin":"1.0.0"}}}}\n`,
    says: "node_modules/a wants a-darwin",
  },
  {
    rule: "a stale generated file",
    gate: "generated",
    file: "schema/frame.json",
    content: "{}\n",
    says: "stale",
  },
];

/** One `generate` module, so that there is something to be stale. */
const generator = {
  "scripts/generate/frame.ts": `export const generate = async () => [{ path: "schema/frame.json", content: "[]\\n" }];\n`,
};

function forbidden(rule: string, file: string, specifier: string): Fault[] {
  const content = `export * from "${specifier}";\n`;
  return [{ rule, gate: "imports", file, content, says: `may not import "${specifier}"` }];
}

describe("the clean tree", () => {
  let tree: Tree;
  let remove: () => void;
  beforeAll(async () => {
    ({ tree, remove } = await plant({ ...generator, "schema/frame.json": "[]\n" }));
  });
  afterAll(() => remove());

  test.each(gates)("passes $name", async (gate) => {
    expect(await gate.run(tree)).toEqual([]);
  });
});

describe("a tree with every fault", () => {
  /** What each gate says about it: one run of a gate serves all of its faults. */
  const said = new Map<string, string>();
  let remove = () => {};
  beforeAll(async () => {
    const planted = Object.fromEntries(faults.map(({ file, content }) => [file, content]));
    const bad = await plant({ ...generator, ...planted });
    remove = bad.remove;
    for (const gate of gates) said.set(gate.name, (await gate.run(bad.tree)).join("\n"));
  });
  afterAll(() => remove());

  test.each(faults)("$gate: $rule", ({ gate, file, says }) => {
    const lines = (said.get(gate) ?? "").split("\n");
    // Tools that list files below a heading name the fault once for all of them.
    const heading = gate === "format" || says === "Unused files";
    const about = heading ? lines : lines.filter((line) => line.includes(file));
    expect(about.join("\n")).toContain(says);
    expect(lines.some((line) => line.includes(file))).toBe(true);
  });

  test("every gate has a fault", () => {
    expect(new Set(faults.map(({ gate }) => gate))).toEqual(new Set(gates.map(({ name }) => name)));
  });
});
