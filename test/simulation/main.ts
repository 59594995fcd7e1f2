import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Mutant, mutants } from "./mutants.ts";
import { type Options, read, USAGE, worlds } from "./options.ts";
import { playAll } from "./play.ts";
import type { Played } from "./world.ts";

/** Deliveries within which every planted fault must be caught. */
const CAUGHT_WITHIN = 10_000;
/** Of one world while faults are hunted. */
const HUNTED = 1_000;
/** Findings that are printed, of each kind. */
const SHOWN = 10;

/** Tests that play more schedules when they are asked for more. */
const SCHEDULES = [
  "test/core/fleet/simulation.test.ts",
  "test/core/deploy/turns.test.ts",
  "test/core/deploy/weather.test.ts",
];

const args = process.argv.slice(2);
try {
  if (args.length === 0) process.exitCode = await schedules();
  else if (args[0] === "--mutants") process.exitCode = await hunt(args.slice(1));
  else process.exitCode = await deliveries(read(args));
} catch (error) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.stack : "";
  process.stderr.write(
    `${error instanceof Error ? error.message : String(error)}\n${cause ?? ""}\n${USAGE}\n`,
  );
  process.exitCode = 2;
}

/** What this command played before it knew deliveries, and still does when nothing is asked for, and those of deploys. */
async function schedules(): Promise<number> {
  process.stderr.write(
    "10,000 schedules of attempts and leases, 16,000 of turns and rollouts; for deliveries: npm run simulate -- --deliveries 100000\n",
  );
  const root = join(import.meta.dirname, "../..");
  const test = spawn(process.execPath, [join(root, "scripts/test.ts"), ...SCHEDULES], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, SNOWCAT_SIMULATE: "10" },
  });
  const [code] = (await once(test, "exit")) as [number | null];
  return code ?? 1;
}

async function deliveries(options: Options): Promise<number> {
  const mutant = options.mutant === null ? null : named(options.mutant);
  const began = performance.now();
  const all: Played[] = [];
  await playAll({
    worlds: worlds(options.deliveries, options.seed),
    mutant,
    log: options.log,
    played: (world) => {
      all.push(world);
      tell(world);
      return false;
    },
  });
  const sum = (of: (world: Played) => number) => all.reduce((total, world) => total + of(world), 0);
  const result = {
    deliveries: sum((world) => world.deliveries),
    lost: sum(({ findings }) => findings.lost.length),
    doubled: sum(({ findings }) => findings.doubled.length),
    wrong_checks: sum(({ findings }) => findings.wrong.length),
    content_requests_per_run:
      Math.round((100 * sum((world) => world.contentRequests)) / sum((world) => world.runs)) / 100,
    seconds: Math.round((performance.now() - began) / 100) / 10,
    seed: options.seed,
    worlds: all.length,
    runs: sum((world) => world.runs),
    doubled_deliveries: sum((world) => world.doubledDeliveries),
    missed_deliveries: sum((world) => world.missedDeliveries),
    redeliveries: sum((world) => world.redeliveries),
    objects_aborted: sum((world) => world.aborts),
    requests: sum((world) => world.requests),
    requests_mistreated: sum((world) => world.mistreated),
  };
  const text = `${JSON.stringify(result, null, 2)}\n`;
  process.stdout.write(text);
  if (options.json !== null) await writeFile(options.json, text);
  return result.lost + result.doubled + result.wrong_checks === 0 ? 0 : 1;
}

function tell({ seed, deliveries: count, findings }: Played): void {
  for (const [kind, list] of Object.entries(findings)) {
    for (const line of list.slice(0, SHOWN))
      process.stderr.write(`${kind}, seed ${seed}: ${line}\n`);
    if (list.length > SHOWN)
      process.stderr.write(`${kind}, seed ${seed}: ${list.length - SHOWN} more\n`);
  }
  if (Object.values(findings).some((list) => list.length > 0))
    process.stderr.write(`again: npm run simulate -- --seed ${seed} --deliveries ${count} --log\n`);
}

function named(name: string): Mutant {
  const found = mutants.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new Error(
    `there is no mutant ${JSON.stringify(name)}, but ${mutants.map((one) => one.name).join(", ")}`,
  );
}

/** Each planted fault has to be found; says after how many deliveries. */
async function hunt(rest: readonly string[]): Promise<number> {
  const { seed } = read([...rest, "--deliveries", "1"]);
  let escaped = 0;
  for (const mutant of mutants) {
    let caught: string | null = null;
    let played = 0;
    await playAll({
      worlds: worlds(CAUGHT_WITHIN, seed, HUNTED),
      mutant,
      log: false,
      played: ({ deliveries: count, findings }) => {
        played += count;
        const [first] = Object.entries(findings).flatMap(([kind, list]) =>
          list.map((line) => `${kind}: ${line}`),
        );
        caught ??= first ?? null;
        return caught !== null;
      },
    });
    if (caught === null) escaped += 1;
    process.stdout.write(
      `${caught === null ? "ESCAPED" : "caught"} ${mutant.name} (${mutant.what}) within ${played} deliveries${caught === null ? "" : `: ${String(caught)}`}\n`,
    );
  }
  return escaped === 0 ? 0 : 1;
}
