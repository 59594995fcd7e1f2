import { watch } from "node:fs";
import { access, chown, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Agent } from "../agent/agent.ts";
import { systemClock } from "../agent/clock.ts";
import {
  agentDirectory,
  readConfiguration,
  type RunnerConfiguration,
} from "../agent/configuration.ts";
import { probeFeatures, probeSystems } from "../agent/probe.ts";
import { loadIdentity } from "../enrolment/identity.ts";
import { startIsolation, supervise } from "../isolation/index.ts";
import { jobRunner } from "../jobs/index.ts";
import { EXIT, UsageError } from "./exit.ts";
import { VERSION } from "./version.ts";

/** Name of the file in the agent's directory by which the supervisor asks it to drain. */
const DRAIN = "drain";
/** The isolation's descriptor; set by the supervisor for its agent. */
const SUPERVISED = "SNOWCAT_ISOLATION";

/** `snowcat runner`: as root the supervisor of an isolated agent, inside it the agent. */
export async function runnerCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { config: { type: "string" }, "demo-without-isolation": { type: "boolean" } },
  });
  if (values.config === undefined) throw new UsageError("runner needs --config FILE");
  const configuration = await readConfiguration(values.config);
  const demo = values["demo-without-isolation"] ?? false;
  if (configuration.isolation === "none") {
    if (!demo)
      throw new UsageError(
        '"isolation" is "none": that also needs --demo-without-isolation, and is for demonstrations only',
      );
    return await agentHere(configuration, "none");
  }
  if (demo)
    throw new UsageError('--demo-without-isolation needs "isolation": "none" in the configuration');
  if (process.env[SUPERVISED] !== undefined) return await agentHere(configuration, "supervised");
  return await superviseAgent(configuration, values.config);
}

async function superviseAgent(configuration: RunnerConfiguration, file: string): Promise<number> {
  if (configuration.isolation === "none") throw new Error("nothing to supervise without isolation");
  const { stateDirectory, isolation } = configuration;
  const directory = agentDirectory(configuration);
  await rm(join(directory, DRAIN), { force: true });
  const supervised = await supervise(
    { ...isolation, stateDirectory },
    { argv: ["runner", "--config", file], sourceEntry: "src/runner/main.ts" },
  );
  onTermination(
    async () => {
      await writeFile(join(directory, DRAIN), "");
      await chown(join(directory, DRAIN), isolation.uidBase, isolation.uidBase);
    },
    () => supervised.close(),
  );
  const end = await supervised.ended;
  if (end.kind === "agent-exited") return end.exitCode;
  process.stderr.write(`snowcat: ${end.reason}\n`);
  return EXIT.failed;
}

async function agentHere(
  configuration: RunnerConfiguration,
  kind: "none" | "supervised",
): Promise<number> {
  const directory = agentDirectory(configuration);
  const enrolled = await loadIdentity(directory);
  if (enrolled === null) {
    process.stderr.write(
      `snowcat: ${directory} is not enrolled: run \`snowcat enrol\` with a code from the operator\n`,
    );
    return EXIT.configuration;
  }
  const isolation = await startIsolation({ kind });
  say(isolation.describe());
  if (kind === "supervised") {
    const preflight = await isolation.preflight();
    if (!preflight.ok) {
      for (const missing of preflight.missing) say(`isolation does not hold: ${missing}`);
      return EXIT.unavailable;
    }
  }
  const agent = await Agent.start({
    url: configuration.url,
    directory,
    ...enrolled,
    version: VERSION,
    slots: configuration.slots,
    systems: configuration.systems ?? probeSystems(),
    features: configuration.features ?? (await probeFeatures()),
    minimumFreeBytes: configuration.minimumFreeBytes,
    secrets: await operatorSecrets(configuration.redactFiles),
    isolation,
    runJob: jobRunner(),
    clock: systemClock,
    say,
  });
  await drainOnRequest(agent, directory);
  await agent.stop();
  await isolation.close();
  return EXIT.ok;
}

/** Resolves when the agent was asked to end and has told everything. */
async function drainOnRequest(agent: Agent, directory: string): Promise<void> {
  const asked = Promise.withResolvers<void>();
  const watcher = watch(
    directory,
    () => void access(join(directory, DRAIN)).then(asked.resolve, () => undefined),
  );
  onTermination(
    async () => asked.resolve(),
    async () => agent.cancelAll("the runner is being stopped"),
  );
  await asked.promise;
  watcher.close();
  say("draining: no new jobs; a second SIGTERM cancels those that run");
  await agent.drain();
  await rm(join(directory, DRAIN), { force: true });
}

/** The first SIGTERM or SIGINT, and each later one. */
function onTermination(first: () => Promise<void>, again: () => Promise<void>): void {
  let signals = 0;
  const on = () => {
    signals += 1;
    void (signals === 1 ? first() : again()).catch((error: unknown) =>
      say(`stopping failed: ${String(error)}`),
    );
  };
  process.on("SIGTERM", on);
  process.on("SIGINT", on);
}

async function operatorSecrets(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  return texts.flatMap((text) => text.split(/\r?\n/u)).filter((line) => line.trim() !== "");
}

function say(line: string): void {
  process.stderr.write(`snowcat: ${line}\n`);
}
