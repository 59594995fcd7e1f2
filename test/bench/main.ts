import { build } from "./build/build.ts";
import { deploy } from "./deploy/deploy.ts";
import { ingest } from "./ingest/ingest.ts";
import { pipeline } from "./pipeline/pipeline.ts";
import { requests } from "./requests/requests.ts";
import { scale } from "./scale/scale.ts";
import { shapes } from "./shapes/shapes.ts";

/** `npm run bench -- NAME [--json FILE] […]`: each benchmark prints what it measured, interleaved with its peer. */
const benchmarks: Record<string, (args: string[]) => Promise<void>> = {
  build,
  deploy,
  ingest,
  requests,
  pipeline,
  shapes,
  scale,
};

const [name = "", ...args] = process.argv.slice(2);
const benchmark = benchmarks[name];
if (benchmark === undefined) {
  if (name !== "") process.stderr.write(`There is no benchmark ${JSON.stringify(name)}.\n\n`);
  process.stderr.write(
    `usage: npm run bench -- ${Object.keys(benchmarks).join("|")} [--json FILE]\n`,
  );
  process.exit(2);
}
await benchmark(args);
