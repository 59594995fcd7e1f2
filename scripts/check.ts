/**
 * `npm run check [-- gate…]`: every gate, or those named. One line each with its time; problems
 * follow. Exits 1 when a gate fails, 64 when one is unknown.
 */
import { dirname } from "node:path";
import { gates } from "./check/gates.ts";
import { readTree } from "./check/tree.ts";

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !gates.some((gate) => gate.name === name));
if (unknown.length > 0) {
  const known = gates.map((gate) => gate.name).join(", ");
  console.error(`no gate called ${unknown.join(", ")}; there are: ${known}`);
  process.exit(64);
}

const tree = await readTree(dirname(import.meta.dirname));
const chosen = gates.filter((gate) => wanted.length === 0 || wanted.includes(gate.name));
const began = performance.now();
const results = await Promise.all(
  chosen.map(async (gate) => {
    const problems = await gate.run(tree);
    const mark = problems.length === 0 ? "ok  " : "FAIL";
    console.log(`${mark} ${gate.name.padEnd(10)} ${seconds(began)} s`);
    return { gate, problems };
  }),
);

const failed = results.filter(({ problems }) => problems.length > 0);
for (const { gate, problems } of failed) console.log(`\n${gate.name}\n${problems.join("\n")}`);
console.log(
  `\n${tree.files.length} files, ${chosen.length} gates, ${failed.length} failed, ${seconds(began)} s`,
);
process.exitCode = failed.length > 0 ? 1 : 0;

/** Since the start: the gates run side by side. */
function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
