import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { deployOne } from "../../../src/runner/deploy/deployer.ts";
import { connectMachine } from "../../../src/runner/machine/index.ts";
import { workOn } from "../../faults/deploy/deploying.ts";
import type { Lab } from "../../machines/lab.ts";
import { startLab } from "../../machines/lab.ts";
import type { TestMachine } from "../../machines/machine.ts";
import { median, progress, publish, rounded } from "../shared/output.ts";

const execute = promisify(execFile);

/** Generous: what is measured is no fault. In seconds. */
const LIMITS = {
  connectSeconds: 10,
  copySeconds: 60,
  activationSeconds: 60,
  confirmationSeconds: 60,
};

/** Snowcat's engine, and the shell loop in two ways: a connection for each step, or one before and one after the activation. */
const PEERS = ["apart", "shared", "snowcat"] as const;

/**
 * Deploys of machines in namespaces, one after the other: Snowcat's engine beside a shell loop with the same safety
 * steps, in turns, each time a system that the machine has not. Medians; the faster way of the loop is what Snowcat is
 * held against.
 */
export async function deploy(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: "string" },
      machines: { type: "string", default: "1,5,20" },
      rounds: { type: "string", default: "3" },
    },
  });
  const counts = values.machines.split(",").map(Number);
  const rounds = Number(values.rounds);
  const lab = await startLab();
  try {
    // The first is what the machines are installed with; then one for each peer and round, for each number of machines.
    const names = Array.from(
      { length: 1 + PEERS.length * rounds * counts.length },
      (_, at) => `s${at}`,
    );
    const systems = await lab.builder.build(
      Object.fromEntries(names.map((name) => [name, { packages: { [name]: "1" }, mebibytes: 1 }])),
    );
    const [installed = "", ...wanted] = names.map((name) => systems[name] ?? "");
    const all: TestMachine[] = [];
    for (let at = 0; at < Math.max(...counts); at += 1)
      all.push(await lab.machine({ name: `machine${at}`, system: installed }));
    const rows: object[] = [];
    let counter = 0;
    for (const machines of counts) {
      const some = all.slice(0, machines);
      const seconds = { apart: [] as number[], shared: [] as number[], snowcat: [] as number[] };
      for (let round = 0; round < rounds; round += 1) {
        for (const peer of round % 2 === 0 ? PEERS : PEERS.toReversed()) {
          counter += 1;
          const system = wanted.shift() ?? "";
          const took =
            peer === "snowcat"
              ? await bySnowcat(lab, some, system, counter)
              : await byShell(lab, some, system, counter, peer);
          await allRun(some, system);
          seconds[peer].push(took);
          progress(`${machines} machines, ${peer}: ${rounded(took, 2)} s`);
        }
      }
      const [apart, shared] = [median(seconds.apart), median(seconds.shared)];
      const [shell, snowcat] = [Math.min(apart, shared), median(seconds.snowcat)];
      rows.push({
        machines,
        shell_s: rounded(shell),
        snowcat_s: rounded(snowcat),
        shell_apart_s: rounded(apart),
        shell_shared_s: rounded(shared),
        overhead_ms_per_machine: Math.round(((snowcat - shell) * 1_000) / machines),
      });
    }
    await publish(rows, values.json);
  } finally {
    await lab.close();
  }
}

async function bySnowcat(
  lab: Lab,
  machines: readonly TestMachine[],
  system: string,
  counter: number,
): Promise<number> {
  // Evaluation, build and plan come before a deploy; so does their manifest.
  const work = [];
  for (const { target } of machines)
    work.push(await workOn(lab, target, system, { counter, limits: LIMITS }));
  const began = performance.now();
  for (const one of work) {
    const log: string[] = [];
    const outcome = await deployOne(
      { connect: connectMachine, store: lab.builder.source, env: lab.env, clock: systemClock },
      {
        ...one,
        signal: new AbortController().signal,
        seal: () => true,
        step: async () => {},
        observed: async () => {},
        say: (line) => void log.push(line),
      },
    );
    if (outcome.kind !== "active")
      throw new Error(`${outcome.kind}, and not active:\n${log.join("\n")}`);
  }
  return (performance.now() - began) / 1_000;
}

async function byShell(
  lab: Lab,
  machines: readonly TestMachine[],
  system: string,
  counter: number,
  connections: "apart" | "shared",
): Promise<number> {
  const manifest = join(lab.directory, "loop-manifest");
  await writeFile(manifest, (await lab.builder.manifest(system)).text);
  const knownHosts = join(lab.directory, "loop-known-hosts");
  const lines = machines.map(({ target }) => `${target.address} ${target.hostPublicKey}\n`);
  await writeFile(knownHosts, lines.join(""));
  const each = machines.flatMap(({ target }) => [target.address, knownHosts, target.identityFile]);
  const began = performance.now();
  await execute(
    join(import.meta.dirname, "loop.sh"),
    [String(counter), system, manifest, lab.builder.source.url ?? "", connections, "--", ...each],
    { env: lab.env },
  );
  return (performance.now() - began) / 1_000;
}

/** Both did what they were to do, or nothing that was measured counts. */
async function allRun(machines: readonly TestMachine[], system: string): Promise<void> {
  for (const machine of machines) {
    const truth = await machine.truth();
    if (truth.running !== system || truth.boots !== system)
      throw new Error(`${machine.target.address} runs ${truth.running} and boots ${truth.boots}`);
  }
}
