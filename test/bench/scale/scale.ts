import { parseArgs } from "node:util";
import { startStack, type Stack } from "../../support/stack.ts";
import { watchHeap } from "../meter/heap.ts";
import { Meter, meterSource } from "../meter/meter.ts";
import { manyTree } from "../shared/many.ts";
import { progress, publish, quantile, rounded } from "../shared/output.ts";
import { quiet } from "../shared/processes.ts";
import { expectConclusion, timedRun } from "../shared/runs.ts";
import { forgetPeak, peak, watched } from "./memory.ts";
import { sideLoad } from "./webhooks.ts";

interface Row {
  readonly attributes: number;
  /** Runs at once, each of a repository of its own. */
  readonly runs: number;
  /** From the first push until the last check is completed. */
  readonly seconds: number;
  /** Rows written by the Run objects, indexes included, as they are paid for. */
  readonly rows_per_attribute: number;
  /** Peak of the agent's resident memory. */
  readonly agent_mb: number;
  /** Peak of the live heap of the isolate that holds every object of the Worker: no single object has more. */
  readonly object_mb: number;
  readonly webhook_p99_ms: number;
}

const MB = 1_000_000;
const ROWS = "100,1000,10000,10000x5";

/**
 * The whole pipeline, cold, at growing sizes; a new stack for each, so that none pays for another. Meanwhile signed
 * webhooks come at a steady rate for the repositories at work.
 */
export async function scale(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: "string" },
      /** Attributes, or attributes x runs at once. */
      attributes: { type: "string", default: ROWS },
      /** Prints what objects asked of their storage. */
      statements: { type: "boolean", default: false },
    },
  });
  const rows: Row[] = [];
  for (const size of values.attributes.split(",")) {
    const [attributes = 0, runs = 1] = size.split("x").map(Number);
    const stack = await startStack({ worker: { around: await meterSource(), inspect: true } });
    try {
      const row = await measure(stack, attributes, runs, values.statements);
      progress(JSON.stringify(row));
      rows.push(row);
    } finally {
      await stack.stop();
    }
  }
  await publish(rows, values.json);
}

async function measure(
  stack: Stack,
  attributes: number,
  runs: number,
  statements: boolean,
): Promise<Row> {
  const { github, accounts, worker } = stack;
  const repositories = await Promise.all(
    Array.from({ length: runs }, async (_, index) =>
      github.createRepository({
        owner: accounts.owner,
        name: `scale-${attributes}-${index}`,
        files: await manyTree(attributes, "first"),
      }),
    ),
  );
  await github.settled();
  // A first run of little, so that the programs are there and each repository has a delivery to be sent again.
  for (const repository of repositories)
    expectConclusion(
      await timedRun(stack, repository, await manyTree(1, `warm-${repository.id}`), "warm"),
      "success",
    );
  await quiet();
  const meter = new Meter(worker.url);
  const { agent, workerd } = await watched();
  await forgetPeak(agent);
  await forgetPeak(workerd);
  await meter.reset();
  const heap = await watchHeap(await worker.inspector());
  const load = sideLoad(stack, repositories);
  const began = performance.now();
  const done = await Promise.all(
    repositories.map(async (repository) =>
      timedRun(
        stack,
        repository,
        await manyTree(attributes, `scale-${repository.id}-${Date.now()}`),
        "scale",
      ),
    ),
  );
  const seconds = (performance.now() - began) / 1_000;
  const latencies = await load.stop();
  // What a run still writes after its checks (what is remembered, its end) is paid for as well.
  await quiet();
  const heapPeak = await heap.stop();
  const counts = await meter.counts();
  for (const run of done) expectConclusion(run, "success");
  const written = counts["Run"]?.rowsWritten ?? 0;
  const [agentPeak, workerdPeak] = [await peak(agent), await peak(workerd)];
  progress(
    `${attributes} x ${runs}: ${latencies.length} webhooks, p50 ${rounded(quantile(latencies, 0.5), 1)} ms; heap with garbage ${rounded(heapPeak.any / MB, 1)} MB; workerd ${rounded(workerdPeak / MB, 1)} MB resident; rows written ${Object.entries(
      counts,
    )
      .map(
        ([name, { rowsWritten, executed }]) => `${name} ${rowsWritten} by ${executed} statements`,
      )
      .join(", ")}`,
  );
  if (statements) process.stderr.write(`${JSON.stringify(counts, null, 1)}\n`);
  return {
    attributes,
    runs,
    seconds: rounded(seconds),
    rows_per_attribute: rounded(written / (attributes * runs), 2),
    agent_mb: rounded(agentPeak / MB, 1),
    object_mb: rounded(heapPeak.live / MB, 1),
    webhook_p99_ms: rounded(quantile(latencies, 0.99), 1),
  };
}
