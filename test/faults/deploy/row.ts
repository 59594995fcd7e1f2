import type { MachineOutcome } from "../../../src/protocol/machine.ts";
import type { TestMachine } from "../../machines/machine.ts";
import type { Deployed } from "./deploying.ts";
import type { SystemName, World } from "./world.ts";

/** One line of the table. */
export interface FaultRow {
  readonly fault: string;
  /** How the machine ended, as the deploy said. */
  readonly verdict: string;
  /** What ran there before, and what after. */
  readonly before: string;
  readonly after: string;
  readonly seconds: number;
  /** It runs a system that works, and boots one that does. */
  readonly working: boolean;
  /** The verdict says what is so, and is one that the fault may end with. */
  readonly truthful: boolean;
  readonly detail: string;
}

export interface Fault {
  readonly name: string;
  readonly play: (world: World) => Promise<FaultRow>;
}

/** What a fault may end with, and what may run then. */
export interface Expected {
  readonly kinds: readonly MachineOutcome["kind"][];
  readonly runs: readonly SystemName[];
  /** Unless it is what runs. */
  readonly boots?: SystemName;
}

type Truth = Omit<Awaited<ReturnType<TestMachine["truth"]>>, "booted" | "boots"> & {
  readonly boots: string | null;
};

/** Holds what was said against what is. The machine is asked past the network. */
export async function judged(
  world: World,
  fault: string,
  machine: TestMachine,
  before: string,
  { outcome, seconds, log }: Deployed,
  expected: Expected,
): Promise<FaultRow> {
  const truth = await machine.truth();
  const nameOf = (path: string | null): string =>
    Object.entries(world.systems).find(([, system]) => system === path)?.[0] ?? path ?? "nothing";
  const runs = nameOf(truth.running);
  const boots = expected.boots ?? runs;
  const working =
    expected.runs.some((name) => name === runs) && nameOf(truth.boots) === boots && healthy(runs);
  const step = "step" in outcome ? ` at ${outcome.step}` : "";
  const row = {
    fault,
    verdict: `${outcome.kind}${step}`,
    before: nameOf(before),
    after: runs,
    seconds: Math.round(seconds * 10) / 10,
    working,
    truthful: expected.kinds.includes(outcome.kind) && isSo(outcome, truth, before),
  };
  const why = "why" in outcome ? outcome.why : "";
  const detail =
    row.working && row.truthful ? why : `${JSON.stringify({ outcome, truth })}\n${log.join("\n")}`;
  return { ...row, detail };
}

/** Systems that work: the others are what the rows are about. */
function healthy(name: string): boolean {
  return [
    "old",
    "good",
    "newer",
    "heavy",
    "lengthy",
    "oldFailed",
    "oldAndFailed",
    "unbootable",
  ].includes(name);
}

/** Whether a verdict is true of the machine. What it leaves open, it does not claim. */
export function isSo(outcome: MachineOutcome, truth: Truth, before: string): boolean {
  const { running, profile, boots } = truth;
  if (outcome.running !== null && outcome.running !== running) return false;
  const isOld = running === before && boots === before && profile === before;
  switch (outcome.kind) {
    case "active":
      return [running, profile, boots].every((path) => path === outcome.system);
    case "rolled-back":
      return isOld;
    case "needs-reboot":
      return boots === outcome.system && running !== outcome.system;
    case "bootloader":
      return running === outcome.system && boots === outcome.boots;
    case "failed-untouched":
    case "not-prepared":
    case "held":
    case "unknown":
      return true;
  }
}
