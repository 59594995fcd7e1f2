import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { agentDirectory, readConfiguration } from "../agent/configuration.ts";
import { enrol } from "../enrolment/enrol.ts";
import { EXIT, UsageError } from "./exit.ts";

/** `snowcat enrol`: the code comes by file or stdin, never as an argument that other users could see. */
export async function enrolCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: "string" },
      url: { type: "string" },
      "code-file": { type: "string" },
    },
  });
  if (values.config === undefined) throw new UsageError("enrol needs --config FILE");
  const configuration = await readConfiguration(values.config);
  const codeFile = values["code-file"] ?? "-";
  const code = codeFile === "-" ? await text(process.stdin) : await readFile(codeFile, "utf8");
  if (code.trim() === "")
    throw new UsageError("the code is empty: give it with --code-file FILE or on stdin");
  const root = process.getuid?.() === 0;
  const enrolled = await enrol({
    url: values.url ?? configuration.url,
    name: configuration.name,
    code,
    directory: agentDirectory(configuration),
    // The agent runs as the first user of its range: the key must be its own.
    owner: root && configuration.isolation !== "none" ? configuration.isolation.uidBase : null,
  });
  if (!enrolled.ok) {
    process.stderr.write(`snowcat: not enrolled: ${enrolled.why}\n`);
    return EXIT.failed;
  }
  const { runner, pool, class: name, repositories } = enrolled.identity;
  process.stdout.write(
    `enrolled as ${runner}: pool ${pool}, class ${name}, ${repositories === null ? "all repositories" : `repositories ${repositories.join(", ")}`}\n`,
  );
  return EXIT.ok;
}
