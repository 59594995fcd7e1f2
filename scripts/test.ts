/**
 * `npm test [-- filters and Vitest's own options]`: the whole suite, or what the filters name.
 * The last line is `N passed, N failed, N skipped`.
 */
import { dirname } from "node:path";
import { parseCLI, startVitest } from "vitest/node";
import { SLOW_PROJECT } from "./test/folders.ts";
import { missingTools } from "./test/missing.ts";
import { skippedTest, summary } from "./test/summary.ts";
import type { Skipped } from "./test/summary.ts";

const began = performance.now();
// Nothing here asks hosts outside: tests run the same without a network.
Object.assign(process.env, {
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_HIDE_BANNER: "true",
});

const { filter, options } = parseCLI(["vitest", "run", ...process.argv.slice(2)]);
if (filter.length === 0) options.project ??= [`!${SLOW_PROJECT}`];
const vitest = await startVitest("test", [...filter], {
  ...options,
  root: dirname(import.meta.dirname),
  watch: false,
  // Node reads the TypeScript itself: no bundling before the first test.
  configLoader: "native",
});

let passed = 0;
let failed = vitest.state.getUnhandledErrors().length;
const skipped: Skipped[] = [];
for (const module of vitest.state.getTestModules()) {
  // A file that cannot be loaded, or a failed hook, is no test but no success either.
  failed += module.errors().length;
  for (const suite of module.children.allSuites()) failed += suite.errors().length;
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state === "passed") passed += 1;
    else if (result.state === "skipped") {
      skipped.push(skippedTest(`${module.relativeModuleId} > ${test.fullName}`, result.note));
    } else failed += 1;
  }
}
await vitest.close();

const seconds = (performance.now() - began) / 1000;
const missing = missingTools(process.env);
console.log(`\n${summary({ passed, failed, skipped, missing, seconds })}`);
// No test at all is a wrong filter, not a success.
process.exit(failed > 0 || passed + skipped.length === 0 ? 1 : Number(process.exitCode ?? 0));
