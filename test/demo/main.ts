import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { whenParentIsGone } from "../../scripts/tools/parent.mjs";
import { startStack, type Stack } from "../support/stack.ts";
import { keepAlive } from "./keep-alive.ts";
import { play, type Outcome } from "./scenario.ts";
import { scenarios } from "./scenarios/index.ts";
import { serve } from "./serve.ts";
import { Stage } from "./stage.ts";

const HELP = `npm run demo -- [--once] [--only GROUP[,NAME…]] [--json FILE] | --serve

Plays Snowcat's stories on a real Worker, a real runner and real Nix; GitHub is a strict double.
  --once    ends after the stories; otherwise everything goes on to be looked at until Ctrl-C
  --only    a group (main, commands, deploy) or names of stories, separated by commas
  --json    writes {scenarios: [{name, ok, seconds, checks: [{name, conclusion}]}]}
  --log     writes what Worker and runner logged, at the end
  --serve   no stories: prints one line of JSON with addresses and tokens, and serves until stopped
`;

const { values } = parseArgs({
  options: {
    once: { type: "boolean", default: false },
    only: { type: "string" },
    json: { type: "string" },
    serve: { type: "boolean", default: false },
    log: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}

const chosen = choose(values.only);
// Before anything starts: whoever presses Ctrl-C early leaves nothing behind either.
const stop = untilStopped();
process.stderr.write(
  "demo: starting a Worker, a double of GitHub, and a runner with a Nix store of its own (some seconds)\n",
);
const stack = await startStack();
const alive = keepAlive(stack, (line) => process.stderr.write(`demo: ${line}\n`));
let failed = false;
try {
  if (values.serve) await serve(stack, stop.asked);
  else {
    failed = !(await tell(stack));
    if (!values.once && !stop.signal.aborted) {
      process.stdout.write(
        `\nLook at GitHub's side: ${stack.github.url}/html/${stack.accounts.owner.login}/clean/pull/1\nSnowcat's own health:  ${stack.worker.url}/health\nCtrl-C ends everything.\n`,
      );
      await stop.asked;
    }
  }
} finally {
  await alive.stop();
  if (values.log !== undefined)
    await writeFile(values.log, [...stack.worker.log, ...stack.lines(), ""].join("\n"));
  await stack.stop();
}
process.exit(failed ? 1 : 0);

/** Tells the stories one after the other; whether all went as they should. */
async function tell(on: Stack): Promise<boolean> {
  const stage = new Stage(on);
  const outcomes: Outcome[] = [];
  for (const scenario of chosen) {
    const outcome = await Promise.race([play(scenario, stage), stop.asked]);
    if (outcome === undefined) {
      process.stderr.write(`demo: stopped during "${scenario.name}"; putting everything away\n`);
      return false;
    }
    outcomes.push(outcome);
    print(outcome);
  }
  const ledger = on.github.ledger();
  for (const entry of ledger)
    process.stdout.write(`GitHub would not have taken this: ${JSON.stringify(entry)}\n`);
  const good = outcomes.filter((outcome) => outcome.ok).length;
  process.stdout.write(`\n${good} of ${outcomes.length} stories went as they should.\n`);
  if (values.json !== undefined)
    await writeFile(
      values.json,
      `${JSON.stringify({ scenarios: outcomes.map(plain), ledger }, null, 2)}\n`,
    );
  return good === outcomes.length && ledger.length === 0;
}

function print(outcome: Outcome): void {
  process.stdout.write(
    `\n${outcome.ok ? "ok  " : "FAIL"} ${outcome.name} (${outcome.seconds} s)\n`,
  );
  for (const { conclusion, name, title } of outcome.checks) {
    process.stdout.write(
      `       ${(conclusion ?? "-").padEnd(16)} ${name}${title === undefined ? "" : `: ${title}`}\n`,
    );
  }
  if (outcome.error !== undefined)
    process.stdout.write(`${outcome.error.replaceAll(/^/gmu, "       ")}\n`);
}

/** As `--json` promises it: names and conclusions, which do not change with the wording. */
function plain({ checks, ...outcome }: Outcome): object {
  return { ...outcome, checks: checks.map(({ name, conclusion }) => ({ name, conclusion })) };
}

function choose(only: string | undefined) {
  if (only === undefined) return scenarios;
  // A name may have commas of its own.
  const wanted = [only, ...only.split(",")];
  const found = scenarios.filter(
    ({ name, group }) => wanted.includes(group) || wanted.includes(name),
  );
  if (found.length > 0) return found;
  process.stderr.write(
    `--only ${JSON.stringify(only)} names nothing. Groups: main, commands, deploy. Stories:\n${scenarios.map(({ name }) => `  ${name}\n`).join("")}`,
  );
  process.exit(2);
}

/**
 * A signal asks for an orderly end. Later ones change nothing: a terminal or timeout(1) sends to the whole group, and
 * npm passes on what it gets, so that one Ctrl-C may come several times.
 */
function untilStopped(): { asked: Promise<undefined>; signal: AbortSignal } {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = () => {
    controller.abort();
    resolve(undefined);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  whenParentIsGone(end);
  return { asked: promise, signal: controller.signal };
}
