/** Which folders of tests each Vitest project runs. A test elsewhere would never run: a gate says so. */
export const testFolders = {
  core: ["test/core", "test/protocol"],
  github: ["test/github"],
  runner: ["test/runner", "test/bench", "test/simulation", "test/support"],
  house: ["test/house"],
  bot: ["test/bot"],
  // Of those: each test has objects of its own, so that files may share a Worker, which takes seconds to load.
  shared: ["test/bot/run", "test/bot/writer", "test/bot/pages"],
  e2e: ["test/e2e"],
  slow: ["test/slow"],
} as const;

/** Run by `npm run test:slow`; by `npm test` only where a filter names it. */
export const SLOW_PROJECT = "slow";

/** Globs for Vitest's `include`. */
export function testsIn(project: keyof typeof testFolders): string[] {
  return testFolders[project].map((folder) => `${folder}/**/*.test.{ts,tsx}`);
}
