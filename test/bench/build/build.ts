import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { copyCheckout } from "../../../src/runner/check/checkout.ts";
import { check } from "../../../src/runner/check/pipeline.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import type { Workspace } from "../../../src/runner/nix/launch.ts";
import { ended, text } from "../../../src/runner/nix/launch.ts";
import type { NixFacts } from "../../../src/runner/nix/version.ts";
import { readFacts } from "../../../src/runner/nix/version.ts";
import { workspaceOf } from "../../../src/runner/nix/workspace.ts";
import { isolationForTest } from "../../runner/isolation/support.ts";

const MANY = resolve(import.meta.dirname, "../../../nix/examples/many");
const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
/** The floor's batches, and how many of them side by side: the quickest that plain Nix was found to be. */
const FLOOR = { batch: 50, beside: 2 } as const;

interface Row {
  readonly attributes: number;
  readonly runs: number;
  /** Medians (s), and their quotient. */
  readonly ours: number;
  readonly floor: number;
  readonly ratio: number;
  /** Where our time goes: programs started, and their time in all (s), in the median run. */
  readonly programs: Readonly<Record<string, { count: number; seconds: number }>>;
}

interface Place {
  readonly isolation: Isolation;
  readonly facts: NixFacts;
}

/**
 * `snowcat check` of trivial attributes that no store has yet, against the least that Nix itself can do for them: one
 * evaluation and `nix-store --realise` in batches, in the same isolation, by turns.
 */
export async function build(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: "string" },
      attributes: { type: "string", default: "500" },
      runs: { type: "string", default: "3" },
    },
  });
  const own = await isolationForTest({ uidBase: 58_000, jobUsers: 4 });
  const rows: Row[] = [];
  try {
    const { isolation } = own;
    const job = await isolation.openJob("facts");
    const place: Place = { isolation, facts: await readFacts(workspaceOf(job)) };
    await job.dispose();
    for (const attributes of values.attributes.split(",").map(Number)) {
      const row = await measure(place, attributes, Number(values.runs));
      process.stderr.write(`${JSON.stringify(row)}\n`);
      rows.push(row);
    }
  } finally {
    await own.close();
  }
  const out = JSON.stringify({ rows }, null, 2);
  if (values.json !== undefined) await writeFile(values.json, `${out}\n`);
  process.stdout.write(`${out}\n`);
}

async function measure(place: Place, attributes: number, runs: number): Promise<Row> {
  const ours: { seconds: number; programs: Row["programs"] }[] = [];
  const floor: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    ours.push(
      await withTree(attributes, `ours-${run}`, (tree) => timedCheck(place, tree, attributes)),
    );
    floor.push(
      await withTree(attributes, `floor-${run}`, (tree) => timedFloor(place, tree, attributes)),
    );
  }
  const middle = ours.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(runs / 2)]!;
  const least = floor.toSorted((a, b) => a - b)[Math.floor(runs / 2)]!;
  return {
    attributes,
    runs,
    ours: rounded(middle.seconds),
    floor: rounded(least),
    ratio: rounded(middle.seconds / least),
    programs: middle.programs,
  };
}

async function withTree<T>(
  attributes: number,
  seed: string,
  use: (tree: string) => Promise<T>,
): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), "snowcat-bench-"));
  try {
    await cp(MANY, root, { recursive: true });
    const files = {
      n: attributes,
      seed: `${seed}-${Date.now()}`,
      failures: 0,
      shape: "flat",
      broken: false,
    };
    for (const [name, value] of Object.entries(files))
      await writeFile(join(root, name), `${value}\n`);
    return await use(root);
  } finally {
    await rm(root, { recursive: true });
  }
}

async function timedCheck(
  { isolation, facts }: Place,
  checkout: string,
  attributes: number,
): Promise<{ seconds: number; programs: Row["programs"] }> {
  const programs: Record<string, { count: number; seconds: number }> = {};
  const began = performance.now();
  const job = await isolation.openJob("ours");
  try {
    const inner = workspaceOf(job);
    const workspace: Workspace = {
      ...inner,
      launch: async (request) => {
        const at = performance.now();
        const result = await inner.launch(request);
        const name = request.argv.slice(0, 2).join(" ");
        const known = programs[name] ?? { count: 0, seconds: 0 };
        programs[name] = {
          count: known.count + 1,
          seconds: rounded(known.seconds + (performance.now() - at) / 1_000),
        };
        return result;
      },
    };
    const { rows } = await check({
      workspace,
      facts,
      checkout,
      systems: null,
      signal: new AbortController().signal,
      now: () => performance.now(),
      say: () => {},
    });
    const seconds = (performance.now() - began) / 1_000;
    const good = rows.filter((row) => row.verdict.kind === "succeeded").length;
    if (good !== attributes) throw new Error(`${good} of ${attributes} attributes succeeded`);
    return { seconds, programs };
  } finally {
    await job.dispose();
  }
}

async function timedFloor(
  { isolation }: Place,
  checkout: string,
  attributes: number,
): Promise<number> {
  const began = performance.now();
  const job = await isolation.openJob("floor");
  try {
    const workspace = workspaceOf(job);
    const { signal } = new AbortController();
    const tree = await copyCheckout(workspace, checkout, signal);
    const expression = `map (p: p.drvPath) (builtins.attrValues (builtins.getFlake "path:${tree}").packages.${SYSTEM})`;
    const evaluated = await workspace.launch({
      argv: ["nix", "eval", "--impure", "--json", "--expr", expression],
      network: "none",
    });
    if (!ended(evaluated)) throw new Error(text(evaluated.stderr));
    const waiting = JSON.parse(text(evaluated.stdout)) as string[];
    if (waiting.length !== attributes)
      throw new Error(`${waiting.length} derivations, not ${attributes}`);
    await Promise.all(
      Array.from({ length: FLOOR.beside }, async () => {
        while (waiting.length > 0) {
          const batch = waiting.splice(0, FLOOR.batch);
          const built = await workspace.launch({
            argv: ["nix-store", "--realise", "--max-jobs", "1", ...batch],
            network: "none",
          });
          if (!ended(built)) throw new Error(text(built.stderr));
        }
      }),
    );
    return (performance.now() - began) / 1_000;
  } finally {
    await job.dispose();
  }
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
