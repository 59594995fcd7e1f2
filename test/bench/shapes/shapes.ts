import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isolationForTest } from "../../runner/isolation/support.ts";
import { startStack, type Stack } from "../../support/stack.ts";
import { Meter, meterSource } from "../meter/meter.ts";
import { atOnce, batches, nixBuild, readOnly, timedWay } from "../shared/floor.ts";
import { type Files, SYSTEM } from "../shared/many.ts";
import { median, progress, publish, rounded } from "../shared/output.ts";
import { quiet } from "../shared/processes.ts";
import { expectConclusion, timedRun } from "../shared/runs.ts";

interface Shape {
  readonly name: "shared" | "diamond" | "long" | "chain";
  readonly n: number;
  /** Builders that must be started, once each. */
  readonly builders: number;
  readonly conclusion: "success" | "failure";
}

/** How long the one slow build takes (s): that which many need and which fails, or the one among many short ones. */
const SLOW = { shared: 10, long: 10 } as const;
/** So many that the floor takes some seconds: what a run costs besides is what `pipeline` shows. */
const SHAPES: readonly Shape[] = [
  { name: "shared", n: 500, builders: 1, conclusion: "failure" },
  { name: "diamond", n: 500, builders: 504, conclusion: "success" },
  { name: "long", n: 500, builders: 501, conclusion: "success" },
  { name: "chain", n: 300, builders: 300, conclusion: "success" },
];

interface Row {
  readonly shape: Shape["name"];
  readonly floor_s: number;
  readonly snowcat_s: number;
  readonly vs_floor: number;
  /** Builders that were started although the run had started one for the same derivation, over all rounds. */
  readonly built_twice: number;
}

/**
 * Graphs that schedulers get wrong, from push to checks, beside the best of several plain ways in the same kind of
 * isolation, by turns. Who was built how often is counted from what the builders themselves print.
 */
export async function shapes(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: "string" },
      shapes: { type: "string", default: SHAPES.map(({ name }) => name).join(",") },
      rounds: { type: "string", default: "3" },
    },
  });
  const wanted = values.shapes.split(",");
  const unknown = wanted.filter((name) => !SHAPES.some((shape) => shape.name === name));
  if (unknown.length > 0) throw new Error(`there is no shape ${unknown.join(", ")}`);
  const rows: Row[] = [];
  const own = await isolationForTest({ uidBase: 58_000, jobUsers: 4 });
  try {
    const stack = await startStack({ worker: { around: await meterSource() } });
    try {
      for (const shape of SHAPES.filter(({ name }) => wanted.includes(name))) {
        const row = await measure(stack, own.isolation, shape, Number(values.rounds));
        progress(JSON.stringify(row));
        rows.push(row);
      }
    } finally {
      await stack.stop();
    }
  } finally {
    await own.close();
  }
  await publish(rows, values.json);
}

async function measure(
  stack: Stack,
  isolation: Awaited<ReturnType<typeof isolationForTest>>["isolation"],
  shape: Shape,
  rounds: number,
): Promise<Row> {
  const { github, accounts } = stack;
  const repository = await github.createRepository({
    owner: accounts.owner,
    name: shape.name,
    files: await tree(shape, "first"),
  });
  await github.settled();
  // Each batch would build the dependency that fails, once: never the best way, and the longest to wait for.
  const ways =
    shape.conclusion === "failure"
      ? [atOnce, nixBuild]
      : [batches(1, 2), batches(2, 1), atOnce, readOnly];
  const floors = ways.map(({ name }) => ({ name, seconds: [] as number[] }));
  const ours: number[] = [];
  let twice = 0;
  for (let round = 0; round < rounds; round += 1) {
    await quiet();
    const before = (await stack.jobs(repository.id)).length;
    const files = await tree(shape, `ours-${round}-${Date.now()}`);
    const run = await timedRun(stack, repository, files, `${shape.name} ${round}`);
    expectConclusion(run, shape.conclusion);
    progress(`${shape.name}: ${run.seconds} s`);
    ours.push(run.seconds);
    twice += await builtTwice(stack, (await stack.jobs(repository.id)).slice(before), shape);
    for (const [index, way] of ways.entries()) {
      await quiet();
      const plain = await tree(shape, `floor-${round}-${index}-${Date.now()}`);
      const seconds = await timedWay(isolation, way, plain, shape.conclusion === "failure");
      progress(`${shape.name}: ${way.name}: ${rounded(seconds)} s`);
      floors[index]?.seconds.push(seconds);
    }
  }
  const floor = Math.min(...floors.map(({ seconds }) => median(seconds)));
  const snowcat = median(ours);
  return {
    shape: shape.name,
    floor_s: rounded(floor),
    snowcat_s: rounded(snowcat),
    vs_floor: rounded(snowcat / floor),
    built_twice: twice,
  };
}

async function tree({ name, n }: Shape, seed: string): Promise<Files> {
  const argument = JSON.stringify({
    shape: name,
    n,
    seconds: name === "shared" || name === "long" ? SLOW[name] : 0,
    seed,
    system: SYSTEM,
  });
  return {
    "flake.nix": `{ outputs = _: { checks.${SYSTEM} = import ./shapes.nix (builtins.fromJSON (builtins.readFile ./argument.json)); }; }\n`,
    "shapes.nix": await readFile(join(import.meta.dirname, "shapes.nix"), "utf8"),
    "argument.json": `${argument}\n`,
  };
}

/** Builders beyond the first of each derivation, in the logs of a run's jobs. */
async function builtTwice(
  stack: Stack,
  jobs: readonly { job: string; kind: string }[],
  shape: Shape,
): Promise<number> {
  const meter = new Meter(stack.worker.url);
  const started = new Map<string, number>();
  for (const job of new Set(jobs.filter(({ kind }) => kind === "build").map((one) => one.job))) {
    // A second attempt is a second start of whatever the first had started.
    for (const attempt of [1, 2])
      for (const [stream, text] of Object.entries(await meter.logs(job, attempt)))
        for (const _ of text.matchAll(/^built \S+$/gmu))
          started.set(stream, (started.get(stream) ?? 0) + 1);
  }
  if (started.size !== shape.builders)
    throw new Error(
      `${shape.name}: the logs tell of ${started.size} derivations that were built, not of ${shape.builders}`,
    );
  return [...started.values()].reduce((sum, times) => sum + times - 1, 0);
}
