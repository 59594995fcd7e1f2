import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Agent } from "../agent/agent.ts";
import { systemClock } from "../agent/clock.ts";
import {
  agentDirectory,
  readConfiguration,
  type RunnerConfiguration,
} from "../agent/configuration.ts";
import { readCredentials, secretsOf } from "../agent/credentials.ts";
import { probeEvaluator, probeFeatures, probeSystems } from "../agent/probe.ts";
import {
  closures,
  deployerFor,
  LocalRecords,
  machineJobs,
  offered,
  type Offered,
  readDeployPolicy,
} from "../deploy/index.ts";
import { type Identity, loadIdentity } from "../enrolment/identity.ts";
import type { Isolation } from "../isolation/index.ts";
import { startIsolation, supervise } from "../isolation/index.ts";
import { jobRunner, type RunMachineJob } from "../jobs/index.ts";
import { MachineRoots } from "../nix/roots/machines.ts";
import { RootTable } from "../nix/roots/table.ts";
import { daemonSettings } from "../nix/exchange/configuration.ts";
import { type Exchange, openExchange } from "../nix/exchange/exchange.ts";
import type { Environment } from "../process/index.ts";
import { EXIT, UsageError } from "./exit.ts";
import { askToStop, clearRequests, watchRequests } from "./stop-requests.ts";
import { VERSION } from "./version.ts";

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
  const { stateDirectory, isolation, exchange } = configuration;
  const directory = agentDirectory(configuration);
  await clearRequests(directory);
  const supervised = await supervise(
    {
      ...isolation,
      readOnlyPaths: [
        ...isolation.readOnlyPaths,
        ...(configuration.toolFolder === null ? [] : [configuration.toolFolder]),
      ],
      stateDirectory,
      daemonNix: exchange === null ? {} : daemonSettings(exchange, isolation.nix),
    },
    { argv: ["runner", "--config", file], sourceEntry: "src/runner/main.ts" },
  );
  onTermination(
    () => askToStop(directory, "drain", isolation.uidBase),
    () => askToStop(directory, "cancel", isolation.uidBase),
    // It had its chances: what is not told yet is told by its next life.
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
  const credentials = await readCredentials(configuration.credentials);
  const exchange =
    configuration.exchange === null
      ? null
      : await openExchange(configuration.exchange, storeEnvironment(isolation), directory);
  const roots =
    isolation.roots === null
      ? null
      : await RootTable.open(directory, isolation.roots, systemClock.now());
  const machines = await machinesOf(configuration, enrolled.identity, isolation, {
    directory,
    exchange,
    roots,
  });
  const agent = await Agent.start({
    url: configuration.url,
    directory,
    ...enrolled,
    version: VERSION,
    slots: configuration.slots,
    systems: configuration.systems ?? probeSystems(),
    features: configuration.features ?? (await probeFeatures()),
    evaluator: await probeEvaluator(isolation),
    ...(exchange === null ? {} : { exchange: exchange.id }),
    minimumFreeBytes: configuration.minimumFreeBytes,
    secrets: [...(await operatorSecrets(configuration.redactFiles)), ...secretsOf(credentials)],
    credentials,
    isolation,
    targets: machines?.offered.targets ?? (() => []),
    runJob: jobRunner(exchange, roots, machines?.run ?? null),
    branchGone: (branch) => {
      void roots
        ?.release(branch)
        .catch((error: unknown) => say(`roots of ${branch.ref}: ${String(error)}`));
    },
    clock: systemClock,
    say,
  });
  const unwatch = machines?.offered.watch(() => agent.targetsChanged());
  await drainOnRequest(agent, directory);
  unwatch?.();
  await agent.stop();
  await isolation.close();
  return EXIT.ok;
}

/** What a deploy runner does of machines, and of which; nothing without a policy. */
async function machinesOf(
  { deployPolicy, toolFolder }: RunnerConfiguration,
  { pool, host }: Identity,
  isolation: Isolation,
  {
    directory,
    exchange,
    roots,
  }: { directory: string; exchange: Exchange | null; roots: RootTable | null },
): Promise<{ offered: Offered; run: RunMachineJob } | null> {
  if (deployPolicy === null) return null;
  if (pool !== "deploy")
    throw new Error(`"deployPolicy" is for the pool deploy, and this runner is of pool ${pool}`);
  const policy = async () => await readDeployPolicy(deployPolicy);
  const deployer = deployerFor(storeEnvironment(isolation), { isolation, toolFolder });
  const run = machineJobs({
    policy,
    ...deployer,
    records: new LocalRecords(directory),
    closures: closures(
      deployer.store,
      exchange,
      roots === null ? null : new MachineRoots(roots),
      () => systemClock.now(),
    ),
  });
  return { offered: await offered(policy, host, systemClock, say), run };
}

/** How the agent's own programs reach the store that jobs build in. */
function storeEnvironment({ kind, environment }: Isolation): Environment {
  const { PATH, NIX_REMOTE, NIX_CONF_DIR } = environment;
  // Isolated, jobs have a nix.conf of their own that lies in their sandbox.
  return {
    ...(PATH === undefined ? {} : { PATH }),
    ...(NIX_REMOTE === undefined ? {} : { NIX_REMOTE }),
    ...(kind === "isolated" || NIX_CONF_DIR === undefined ? {} : { NIX_CONF_DIR }),
  };
}

/** Resolves when the agent was asked to end and has told everything, or was asked three times. */
async function drainOnRequest(agent: Agent, directory: string): Promise<void> {
  const drain = Promise.withResolvers<void>();
  const leave = Promise.withResolvers<void>();
  const asked = {
    drain: () => drain.resolve(),
    cancel: () => {
      drain.resolve();
      agent.cancelAll("the runner is being stopped");
    },
  };
  const stopWatching = watchRequests(directory, asked);
  onTermination(
    async () => asked.drain(),
    async () => asked.cancel(),
    async () => leave.resolve(),
  );
  await drain.promise;
  say("draining: no new jobs; a second SIGTERM cancels those that run, a third ends at once");
  await Promise.race([agent.drain(), leave.promise]);
  stopWatching();
  await clearRequests(directory);
}

/** The first SIGTERM or SIGINT, the second, and each later one. */
function onTermination(...reactions: (() => Promise<void>)[]): void {
  let signals = 0;
  const on = () => {
    const react = reactions[Math.min(signals, reactions.length - 1)];
    signals += 1;
    void react?.().catch((error: unknown) => say(`stopping failed: ${String(error)}`));
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
