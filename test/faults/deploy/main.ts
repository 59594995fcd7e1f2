import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { playAll } from "./table.ts";

/** `[--json FILE] [--only TEXT] [--jobs N]`: the deploy part of the fault table. Exit code 0: every row works and is true. */
const { values } = parseArgs({
  options: {
    json: { type: "string" },
    only: { type: "string" },
    jobs: { type: "string", default: "3" },
  },
});
const rows = await playAll({
  only: values.only ?? "",
  jobs: Number(values.jobs),
  told: ({ fault, verdict, before, after, seconds, working, truthful, detail }) => {
    const good = working && truthful;
    process.stdout.write(
      `${good ? "ok  " : "FAIL"} ${fault}: ${verdict}, ${before} → ${after}, ${seconds} s\n`,
    );
    if (!good) process.stdout.write(`     ${detail.replaceAll("\n", "\n     ")}\n`);
  },
});
if (values.json !== undefined)
  await writeFile(
    values.json,
    `${JSON.stringify({ rows: rows.map(({ detail: _, ...row }) => row) }, null, 2)}\n`,
  );
const bad = rows.filter(({ working, truthful }) => !working || !truthful).length;
process.stdout.write(`${rows.length} rows, ${bad} of them not as they should be\n`);
process.exitCode = bad === 0 ? 0 : 1;
