import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { copyCheckout } from "../../../src/runner/check/checkout.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import type { Workspace } from "../../../src/runner/nix/launch.ts";
import { describeLaunch, ended, text } from "../../../src/runner/nix/launch.ts";
import { workspaceOf } from "../../../src/runner/nix/workspace.ts";
import { type Files, SYSTEM } from "./many.ts";

/** One plain way to build every check of a flake, with Nix's own programs. */
export interface Way {
  readonly name: string;
  readonly build: (at: Laid) => Promise<void>;
}

/** A tree that is laid out for a job of its own. */
export interface Laid {
  readonly workspace: Workspace;
  readonly tree: string;
  /** Something is meant to fail: exit codes say nothing. */
  readonly fails: boolean;
}

const BATCH = 50;
/** bubblewrap takes 9,000 of one program. */
const ARGUMENTS = 5_000;

/** Evaluate, then batches of 50, so many processes side by side with so many builds each. */
export function batches(beside: number, jobs: number): Way {
  return {
    name: `evaluate, then nix-store --realise in batches of ${BATCH}, ${beside === 1 ? "one" : beside} at a time`,
    build: async (at) => realise(at, await drvPaths(at, null), BATCH, beside, jobs),
  };
}

/** Evaluate, then everything in one `nix-store --realise`. */
export const atOnce: Way = {
  name: "evaluate, then one nix-store --realise",
  build: async (at) => {
    const drvs = await drvPaths(at, null);
    await realise(at, drvs, drvs.length, 1, 2);
  },
};

export const nixBuild: Way = {
  name: "one nix build",
  build: (at) =>
    run(at, [
      "nix",
      "build",
      "--impure",
      "--no-link",
      "--keep-going",
      "--expr",
      `builtins.attrValues ${checks(at)}`,
    ]).then(() => undefined),
};

/** Read-only evaluation, one question what is there, and only what is not is instantiated and built. */
export const readOnly: Way = {
  name: `read-only evaluation, one validity check, instantiation of what is missing, then batches of ${BATCH}, 2 at a time`,
  build: async (at) => {
    const found = await run(
      at,
      [
        "nix",
        "eval",
        "--read-only",
        "--impure",
        "--json",
        "--expr",
        `builtins.mapAttrs (_: p: p.outPath) ${checks(at)}`,
      ],
      true,
    );
    const outputs = Object.entries(JSON.parse(found) as Record<string, string>);
    const invalid = new Set<string>();
    for (let from = 0; from < outputs.length; from += ARGUMENTS) {
      const paths = outputs.slice(from, from + ARGUMENTS).map(([, path]) => path);
      const said = await run(
        at,
        ["nix-store", "--check-validity", "--print-invalid", ...paths],
        true,
      );
      for (const path of said.split("\n")) invalid.add(path);
    }
    const missing = outputs.filter(([, path]) => invalid.has(path)).map(([name]) => name);
    if (missing.length === 0) return;
    const all = missing.length === outputs.length;
    await realise(at, await drvPaths(at, all ? null : missing), BATCH, 2, 1);
  },
};

export const flakeCheck: Way = {
  name: "nix flake check",
  build: (at) =>
    run(at, [
      "nix",
      "flake",
      "check",
      "--no-write-lock-file",
      "--keep-going",
      `path:${at.tree}`,
    ]).then(() => undefined),
};

/** Seconds of one way for a tree, whose files lie in the job already. */
export async function timedWay(
  isolation: Isolation,
  way: Way,
  files: Files,
  fails = false,
): Promise<number> {
  const checkout = await written(files);
  const job = await isolation.openJob("floor");
  try {
    const workspace = workspaceOf(job);
    const tree = await copyCheckout(workspace, checkout, new AbortController().signal);
    const began = performance.now();
    await way.build({ workspace, tree, fails });
    return (performance.now() - began) / 1_000;
  } finally {
    await job.dispose();
    await rm(checkout, { recursive: true });
  }
}

function checks({ tree }: Laid): string {
  return `(builtins.getFlake "path:${tree}").checks.${SYSTEM}`;
}

async function drvPaths(at: Laid, names: readonly string[] | null): Promise<string[]> {
  const expression =
    names === null
      ? `map (p: p.drvPath) (builtins.attrValues ${checks(at)})`
      : `let all = ${checks(at)}; in map (n: all.\${n}.drvPath) [ ${names.map((name) => `"${name}"`).join(" ")} ]`;
  const said = await run(at, ["nix", "eval", "--impure", "--json", "--expr", expression], true);
  return JSON.parse(said) as string[];
}

async function realise(
  at: Laid,
  drvs: readonly string[],
  size: number,
  beside: number,
  jobs: number,
): Promise<void> {
  const waiting = [...drvs];
  const worker = async (): Promise<void> => {
    while (waiting.length > 0)
      await run(at, [
        "nix-store",
        "--realise",
        "--keep-going",
        "--max-jobs",
        String(jobs),
        ...waiting.splice(0, size),
      ]);
  };
  await Promise.all(Array.from({ length: beside }, worker));
}

/** Answers what it printed. Where builds are meant to fail, only an evaluation (`must`) has to succeed. */
async function run(
  { workspace, fails }: Laid,
  argv: [string, ...string[]],
  must = false,
): Promise<string> {
  const result = await workspace.launch({ argv, network: "none", maxOutput: 64 * 1_024 * 1_024 });
  if (!ended(result) && (must || !fails || result.startFailure !== null))
    throw new Error(
      `${argv.slice(0, 3).join(" ")} ${describeLaunch(result)}: ${text(result.stderr).slice(-2_000)}`,
    );
  return text(result.stdout);
}

async function written(files: Files): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "snowcat-bench-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}
