/**
 * `npm run test:slow [-- filters and Vitest's own options]`: what is too slow for every change, and what talks
 * to Nix under the other versions of it. With filters: the slow tests that they name, alone.
 */
import { SLOW_PROJECT } from "./test/folders.ts";
import type { Part, PartEnd } from "./test/part.ts";
import { runPart } from "./test/part.ts";
import { slowSummary } from "./test/slow-summary.ts";
import { nixInstalls, ownSuite, suites } from "./tools/nix-versions.mjs";

/** What another Nix may answer differently. */
const TALKS_TO_NIX = [
  "test/runner/nix",
  "test/runner/jobs",
  "test/runner/check",
  "test/runner/isolation/builds.test.ts",
  "test/runner/isolation/preflight.test.ts",
];

const began = performance.now();
const args = process.argv.slice(2);
const own = ownSuite();
const others = nixInstalls().filter(({ suite }) => suite !== own);
const parts: Part[] = [
  { title: "slow tests", args: ["--project", SLOW_PROJECT, ...args], kind: "gating" },
  ...(args.length > 0 ? [] : others).map(({ suite, number, gating }): Part => ({
    title: gating ? `Nix ${number}, of Debian ${suite}` : number,
    args: [...TALKS_TO_NIX, "--no-file-parallelism"],
    suite,
    kind: gating ? "gating" : "reported",
  })),
];
const notRun = suites
  .filter(({ suite }) => suite !== own && !others.some((other) => other.suite === suite))
  .map(({ suite }) => `Nix of Debian ${suite} is not here; why was said above`);

const ends: PartEnd[] = [];
for (const part of parts) {
  const title = part.kind === "gating" ? part.title : `Nix ${part.title}, reported only`;
  console.log(`\n=== ${title}`);
  const end = await runPart(part);
  ends.push(end);
  if (end.stopped) break;
}
const seconds = (performance.now() - began) / 1000;
console.log(`\n${slowSummary(ends, args.length > 0 ? [] : notRun, seconds)}`);
const failed = ends.some((end) => end.part.kind === "gating" && end.failed > 0);
process.exitCode = failed || ends.some(({ stopped }) => stopped) ? 1 : 0;
