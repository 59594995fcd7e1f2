/** `npm run faults`: what goes wrong, and what comes of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { FaultRow } from "./deploy/row.ts";
import { playDeploys } from "./deploy/table.ts";
import { planned } from "./groups.ts";
import { playGuests } from "./guest.ts";
import { playPlane } from "./plane/table.ts";

const USAGE = `usage: npm run faults -- [--only deploy|plane|guest|stack] [--match TEXT] [--jobs N] [--json FILE]

deploy  machines in namespaces, as a table: {rows: [{fault, verdict, before, after, seconds, working, truthful}]}
plane   such machines changed through a real Worker and a real runner, by comments; rows of the same table
guest   one with systemd, in a virtual machine: power cut at each step, reboots, failed units; rows of the same table
stack   tests of GitHub's faults, cut connections and SIGKILLs, on the whole stack

Exit code 0: every machine ended on a system that works with a verdict that is so, and every test passed.`;

/** Tests that are faults of the stack. */
const STACK = [
  "test/slow/e2e/faults.test.ts",
  "test/slow/e2e/sigkill.test.ts",
  "test/slow/hostile/kills.test.ts",
];

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    only: { type: "string" },
    match: { type: "string", default: "" },
    jobs: { type: "string", default: "3" },
    help: { type: "boolean" },
  },
});
const parts = planned(values);
if (values.help === true || parts === null) {
  process.stdout.write(`${USAGE}\n`);
  process.exitCode = values.help === true ? 0 : 64;
} else {
  const { match } = values;
  const rows = parts.deploy
    ? await playDeploys({ match, jobs: Number(values.jobs), told: print })
    : [];
  if (parts.plane) rows.push(...(await playPlane({ match, told: print })));
  if (parts.guest) rows.push(...(await playGuests({ match, told: print })));
  if (values.json !== undefined) {
    const told = rows.map((row) => ({ ...row, detail: undefined }));
    await writeFile(values.json, `${JSON.stringify({ rows: told }, null, 2)}\n`);
  }
  const bad = rows.filter((row) => !isGood(row)).length;
  if (parts.deploy || parts.plane || parts.guest)
    process.stdout.write(`${rows.length} rows, ${bad} not as they should be\n`);
  const stack = parts.stack ? await playStack() : 0;
  process.exitCode = bad === 0 && stack === 0 ? 0 : 1;
}

function print(row: FaultRow): void {
  const { fault, verdict, before, after, seconds, detail } = row;
  const head = isGood(row) ? "ok  " : "FAIL";
  process.stdout.write(`${head} ${fault}: ${verdict}, ${before} → ${after}, ${seconds} s\n`);
  if (!isGood(row)) process.stdout.write(`     ${detail.replaceAll("\n", "\n     ")}\n`);
}

function isGood({ working, truthful }: FaultRow): boolean {
  return working && truthful;
}

async function playStack(): Promise<number> {
  const root = join(import.meta.dirname, "../..");
  const child = spawn(process.execPath, [join(root, "scripts/test.ts"), ...STACK], {
    cwd: root,
    stdio: "inherit",
  });
  const [code] = await once(child, "exit");
  return typeof code === "number" ? code : 1;
}
