import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import type { TestProjectConfiguration } from "vitest/config";
import { SLOW_PROJECT, testsIn } from "./scripts/test/folders.ts";
import { nixEnvironment } from "./scripts/tools/nix-versions.mjs";

const root = import.meta.dirname;

// With SNOWCAT_NIX, what tests start by themselves is that Nix too.
Object.assign(process.env, nixEnvironment(process.env));

/**
 * Groups run one after another: what fails fast first, what wants the machine to itself last.
 * Time limits in milliseconds; a test that starts programs may take longer than one that computes.
 */
const projects: TestProjectConfiguration[] = [
  {
    test: {
      name: "core",
      include: testsIn("core"),
      pool: "threads",
      // Nothing in there has state to leak from one file into the next.
      isolate: false,
      testTimeout: 30_000,
      sequence: { groupOrder: 0 },
    },
  },
  ...(["house", "github", "runner"] as const).map((name) => ({
    test: {
      name,
      include: testsIn(name),
      pool: "forks" as const,
      testTimeout: 60_000,
      hookTimeout: 60_000,
      sequence: { groupOrder: 1 },
    },
  })),
  {
    test: {
      name: "e2e",
      include: testsIn("e2e"),
      pool: "forks",
      testTimeout: 180_000,
      hookTimeout: 180_000,
      // Worker, double, agent and Nix at once: two of these would time each other out.
      maxWorkers: 1,
      fileParallelism: false,
      sequence: { groupOrder: 3 },
    },
  },
  {
    test: {
      name: SLOW_PROJECT,
      include: testsIn("slow"),
      pool: "forks",
      testTimeout: 600_000,
      hookTimeout: 300_000,
      maxWorkers: 1,
      fileParallelism: false,
      sequence: { groupOrder: 4 },
    },
  },
];

// Loading the plugin takes a second; a checkout without the Worker or its tests needs none.
if (existsSync(join(root, "wrangler.toml")) && hasTests("test/bot")) {
  const { botProject } = await import("./scripts/test/bot-project.ts");
  projects.push(await botProject(root, "bot"), await botProject(root, "shared"));
}

export default defineConfig({ test: { projects, allowOnly: false } });

function hasTests(folder: string): boolean {
  const path = join(root, folder);
  return (
    existsSync(path) &&
    readdirSync(path, { recursive: true, encoding: "utf8" }).some((name) =>
      /\.test\.tsx?$/.test(name),
    )
  );
}
