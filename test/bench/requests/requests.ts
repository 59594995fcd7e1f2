import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { startStack } from "../../support/stack.ts";

type Row = {
  attributes: number;
  writes: number;
  content: number;
  reads: number;
  seconds: number;
  conclusion: string;
  operations: Record<string, number>;
};

const MANY = resolve(import.meta.dirname, "../../../nix/examples/many");
const LOOK_EVERY = 100;

/**
 * Requests to GitHub for a green run of the example `many`, counted by the double: every write, and those that create
 * content (GitHub limits them to 80 a minute). A real Worker, a real runner, every attribute really built.
 */
export async function requests(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { json: { type: "string" }, attributes: { type: "string", default: "5,500,10000" } },
  });
  const rows: Row[] = [];
  const stack = await startStack();
  try {
    for (const attributes of values.attributes.split(",").map(Number)) {
      const { github, accounts } = stack;
      const repository = await github.createRepository({
        owner: accounts.owner,
        name: `many-${attributes}`,
        from: join(MANY),
      });
      await github.settled();
      github.resetStats();
      const began = performance.now();
      const head = await github.commit(repository, {
        as: accounts.owner,
        files: {
          n: `${attributes}\n`,
          seed: `requests-${attributes}\n`,
          failures: "0\n",
          shape: "flat\n",
          broken: "false\n",
        },
        message: `${attributes} attributes`,
      });
      const conclusion = await concluded(() => github.checkRuns(repository, head));
      const stats = github.stats("installation");
      const row: Row = {
        attributes,
        writes: stats.writes,
        content: stats.content,
        reads: stats.requests - stats.writes,
        seconds: Math.round((performance.now() - began) / 100) / 10,
        conclusion,
        operations: stats.byOperation,
      };
      if (conclusion !== "success")
        throw new Error(`the run of ${attributes} attributes ended with ${conclusion}`);
      rows.push(row);
      process.stderr.write(`${JSON.stringify(row)}\n`);
    }
  } finally {
    await stack.stop();
  }
  const out = JSON.stringify({ rows }, null, 2);
  if (values.json !== undefined) await writeFile(values.json, `${out}\n`);
  process.stdout.write(`${out}\n`);
}

async function concluded(
  runs: () => { name: string; conclusion: string | null; status: string }[],
): Promise<string> {
  for (;;) {
    const found = runs();
    const overall = found.findLast((run) => run.name === "snowcat");
    if (overall?.status === "completed" && found.every((run) => run.status === "completed"))
      return overall.conclusion ?? "none";
    await new Promise((resolve_) => setTimeout(resolve_, LOOK_EVERY));
  }
}
