import type { DeployReason } from "../../../src/core/repo/request.ts";
import type { Attribute } from "../../../src/protocol/attribute.ts";
import type { MachineOutcome, Observation } from "../../../src/protocol/machine.ts";
import { type Bench, built, drv, evaluated, evaluating, HEAD } from "./harness.ts";

/** A run for machines, what its runner says, and how its machines end. */

export const NAMES = ["web1", "web2"] as const;
export const key = (name: string) => `SHA256:${name.padEnd(43, "x")}`;
export const OLD = `/nix/store/${"0".repeat(32)}-old`;
export const system = (name: string) => `/nix/store/${"1".repeat(32)}-nixos-${name}`;
const CONFIGURATION = `
rollouts: { web: { stages: [web1, web2] } }
policy: { deploy: { order: any } }
`;
export const asked = (what: DeployReason["what"]): { reason: DeployReason } => ({
  reason: {
    kind: "deploy",
    head: HEAD,
    ref: "refs/heads/topic",
    pull: 5,
    key: "comment:1:1",
    what,
  },
});
export const deploy = (...targets: string[]) => asked({ kind: "deploy", targets, force: false });

export const observation = (at: number, running = OLD): Observation => ({
  at,
  system: running,
  booted: running,
  profile: { number: 2, system: running, at: 1 },
  generations: [
    { number: 2, system: running, at: 1 },
    { number: 1, system: `${OLD}er`, at: 1 },
  ],
  failedUnits: [],
  nix: { freeBytes: 1, freeInodes: 1 },
  boot: null,
  counter: 0,
  unfinished: null,
  updaters: [],
  bootId: "x",
});
export const active = (name: string, runs = system(name)): MachineOutcome => ({
  kind: "active",
  system: runs,
  generation: 3,
  notices: [],
  running: runs,
});
export const rolledBack: MachineOutcome = {
  kind: "rolled-back",
  step: "health",
  why: "http: 500",
  failedUnits: [],
  running: OLD,
};

/** Of a run for machines, with both of them named by a runner. */
export const running = (
  change: { reason: DeployReason },
  test: (bench: Bench) => Promise<void>,
  configuration = CONFIGURATION,
) =>
  evaluating(change, test, (neighbours) => {
    neighbours.policy = configuration;
    neighbours.machines = NAMES.map((name) => ({ name, hostKey: key(name), online: true }));
  });

export const jobs = ({ neighbours }: Bench, kind: string) =>
  neighbours.queued.filter((job) => job.kind === kind);
export const numberOf = (job: { job: string } | undefined) => Number(job?.job.split(".").at(-1));
export const notices = async ({ run }: Bench) => (await run.view())?.notices.join("\n") ?? "";

/** Evaluates and builds the systems of both. */
export async function builds({ frame, finish, pass, neighbours }: Bench): Promise<void> {
  const attributes = NAMES.map((name): Attribute => ({
    selection: 0,
    path: ["nixosConfigurations", name],
    system: null,
    seconds: 0.1,
    result: {
      kind: "derivation",
      derivation: {
        path: drv(name),
        name,
        system: "x86_64-linux",
        outputs: { out: system(name) },
        features: [],
      },
    },
  }));
  await frame(1, { kind: "attributes", attributes });
  await frame(1, evaluated);
  await finish(1);
  await pass(3_000);
  for (const job of neighbours.queued.filter(({ kind }) => kind === "build")) {
    const { work } = job;
    if (work.kind !== "build") throw new Error("a build job that builds nothing");
    const results = work.derivations.map(({ path }) => {
      const name = path.at(-1) ?? "";
      return { ...built(name), path, drv: drv(name) };
    });
    await frame(numberOf(job), { kind: "results", results });
    await finish(numberOf(job));
  }
  await pass();
}

/** Whatever is to be looked at is, and says that it runs this. */
export async function looks(bench: Bench, system = OLD): Promise<void> {
  for (const job of jobs(bench, "observe")) {
    if (job.work.kind !== "observe") continue;
    const [machine] = job.work.machines;
    if (machine === undefined) continue;
    const result = { kind: "observation" as const, observation: observation(bench.now, system) };
    await bench.frame(numberOf(job), { kind: "observed", machine, result });
    await bench.finish(numberOf(job));
  }
  await bench.pass();
}

export async function plans(bench: Bench): Promise<void> {
  const [job] = jobs(bench, "plan");
  if (job?.work.kind !== "plan") throw new Error("no plan was asked for");
  for (const { name, running } of job.work.machines)
    await bench.frame(numberOf(job), {
      kind: "planned",
      plan: {
        machine: name,
        manifest: {
          digest: "c".repeat(64),
          system: system(name),
          paths: 1,
          narBytes: 120,
          signature: `${"A".repeat(86)}==`,
          builder: "key",
        },
        running,
        closure: { kind: "unknown", why: "x" },
        units: { kind: "unknown", why: "x" },
        reboot: null,
        warnings: [],
      },
    });
  await bench.finish(numberOf(job));
  await bench.pass();
}

export async function ends(bench: Bench, machine: string, outcome: MachineOutcome): Promise<void> {
  const job = jobs(bench, "deploy").find(
    ({ work }) => work.kind === "deploy" && work.machine.name === machine,
  );
  if (job === undefined) throw new Error(`no deploy of ${machine} was queued`);
  await bench.frame(numberOf(job), { kind: "step", machine, step: "activate" });
  await bench.frame(numberOf(job), { kind: "deployed", machine, outcome });
  await bench.finish(numberOf(job));
  await bench.pass();
}
