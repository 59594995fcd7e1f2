import type { MachineOutcome } from "../../../protocol/machine.ts";
import type {
  DeployState,
  DeployStateName,
  MachineCheck,
  MachineFault,
  Reply,
} from "../../machine/index.ts";
import { awaitHealth } from "../health/patience.ts";
import type { Health } from "../health/probe.ts";
import { type Activation, judgeActivation } from "./activation.ts";
import { again } from "./again.ts";
import { close, type DeployParts, describeFault, short, untouched } from "./parts.ts";
import { takeBack } from "./revert.ts";
import { activateByTool, forward } from "./tool.ts";

/** States that the machine leaves by nobody's word but its own. */
const REVERTED: readonly DeployStateName[] = ["reverted", "revert-failed"];
/** What is left of the confirmation limit for the commit (part of it): health is not waited for to the last moment. */
const FOR_HEALTH = 0.8;
/** Beyond the machine's own limits, for the way there and back (s). */
const MARGIN = 15;

/**
 * Past the point of no return: the machine is brought to the new system or back to the old one, and what it came to is
 * read from the machine itself. The watchdog there takes it back when nothing is heard from here.
 */
export async function settle(parts: DeployParts, old: string): Promise<MachineOutcome> {
  const { work, beyond, clock } = parts;
  const { counter, limits } = work;
  await parts.step("activate");
  const tool = forward(parts);
  const activated = await (tool === null ? activate(parts, old) : activateByTool(parts, tool, old));
  if (activated.kind === "ended") return activated.outcome;
  const { state, activation } = activated;
  if (activation.kind === "sick")
    return await takeBack(parts, { step: "activate", ...activation, state });

  const deadline = clock.now() + limits.confirmationSeconds * 1_000;
  await parts.step("confirm");
  const confirmed = await again(() => beyond.confirm({ counter }), clock, deadline);
  if (confirmed.kind !== "done")
    return await takeBack(parts, { step: "confirm", why: describeFault(confirmed), state });

  await parts.step("health");
  const sick = activation.kind === "runs" ? await health(parts, deadline) : null;
  if (sick !== null) return await takeBack(parts, { step: "health", ...sick, state });

  await parts.step("commit");
  return await commit(parts, activation, state);
}

type Activated =
  | { kind: "state"; state: DeployState; activation: Activation }
  | { kind: "ended"; outcome: MachineOutcome };
const ended = (outcome: MachineOutcome): Activated => ({ kind: "ended", outcome });

/** Started once; how it ended is asked of the machine until its own limits are over. */
async function activate(parts: DeployParts, old: string): Promise<Activated> {
  const { work, beyond, clock } = parts;
  const { counter, limits } = work;
  const { activationSeconds, confirmationSeconds, connectSeconds } = limits;
  const started = await beyond.activate({ counter, activationSeconds, confirmationSeconds });
  // Neither began anything. Whatever else is not an answer is looked at below.
  if (started.kind === "unreachable" || started.kind === "refused") {
    const isOthers = started.kind === "refused" && started.code === "stale-counter";
    await close(parts);
    return ended(untouched("activate", describeFault(started), isOthers ? null : old));
  }
  // A system that takes the network away is reverted by the machine alone: that may take both limits, and a way back.
  const seconds = 2 * activationSeconds + confirmationSeconds + connectSeconds + MARGIN;
  const waited = await again(
    () => beyond.wait({ counter, until: ["activated", ...REVERTED], seconds }),
    clock,
    clock.now() + seconds * 1_000,
  );
  const unknown = (fault: MachineFault, running: string | null): Activated =>
    ended({ kind: "unknown", step: "activate", why: short(describeFault(fault)), running });
  if (waited.kind !== "done") return unknown(waited, null);
  const { state } = waited.value;
  if (state.name === "begun" || state.name === "copied" || state.name === "verified") {
    // Closed before anything else is said: what is still on its way there is refused from here on.
    const closed = await beyond.end({ counter });
    const why = started.kind === "done" ? "the activation was never begun" : describeFault(started);
    return closed.kind === "done"
      ? ended(untouched("activate", why, old))
      : unknown(closed, state.running);
  }
  const activation: Activation =
    state.name === "activated"
      ? judgeActivation(state)
      : { kind: "sick", why: state.why ?? stopped(state), failedUnits: [] };
  return { kind: "state", state, activation };
}

/** All checks that were asked for, then the one that always is: no unit has failed that had not before. */
async function health(
  parts: DeployParts,
  deadline: number,
): Promise<{ why: string; failedUnits: string[] } | null> {
  const { work, beyond, clock } = parts;
  const { counter } = work;
  const part = clock.now() + (deadline - clock.now()) * FOR_HEALTH;
  const sick = await awaitHealth(
    work.health,
    async (check) =>
      check.kind === "unit" || check.kind === "command"
        ? await onMachine(parts, check)
        : await parts.probe(check),
    clock,
    part,
  );
  const state = await again(() => beyond.state(), clock, deadline);
  if (state.kind !== "done") return { why: describeFault(state), failedUnits: [] };
  if (state.value?.counter !== counter)
    return { why: "another deploy has taken the machine over", failedUnits: [] };
  const failedUnits = [...(state.value.newlyFailed ?? [])];
  if (failedUnits.length > 0) sick.push(`units failed: ${failedUnits.join(", ")}`);
  if (state.value.running !== state.value.new)
    sick.push(`the machine runs ${state.value.running ?? "nothing that is known"}`);
  sick.push(...(await wrongByMethod(parts, deadline)));
  return sick.length === 0 ? null : { why: sick.join("\n"), failedUnits };
}

/** What the method itself looks at: of what a tool says that it did, this much is seen. */
async function wrongByMethod(parts: DeployParts, deadline: number): Promise<readonly string[]> {
  const tool = forward(parts);
  if (tool === null) return [];
  const seen = await again(() => parts.beyond.observe(), parts.clock, deadline);
  return seen.kind === "done"
    ? await tool.module.verify(tool.place, seen.value)
    : [describeFault(seen)];
}

async function onMachine({ beyond }: DeployParts, check: MachineCheck): Promise<Health> {
  const checked = await beyond.check({ check, timeoutSeconds: check.timeoutSeconds });
  if (checked.kind !== "done") return describeFault(checked);
  return checked.value.healthy ? null : checked.value.why;
}

async function commit(
  parts: DeployParts,
  activation: Exclude<Activation, { kind: "sick" }>,
  activated: DeployState,
): Promise<MachineOutcome> {
  const { work, beyond, clock } = parts;
  const { counter, limits } = work;
  const seconds = limits.activationSeconds + limits.connectSeconds + MARGIN;
  const begun = await beyond.commit({ counter });
  if (begun.kind !== "done") parts.say(`the commit was not answered: ${describeFault(begun)}`);
  const until: DeployStateName[] = ["committed", "commit-failed", ...REVERTED];
  const waited: Reply<{ state: DeployState; until: boolean }> = await again(
    () => beyond.wait({ counter, until, seconds: begun.kind === "refused" ? 1 : seconds }),
    clock,
    clock.now() + seconds * 1_000,
  );
  if (waited.kind !== "done")
    return { kind: "unknown", step: "commit", why: short(describeFault(waited)), running: null };
  const { state } = waited.value;
  const why = begun.kind === "done" ? null : describeFault(begun);
  return await concluded(parts, activation, { ...activated, ...state }, why);
}

/**
 * The end of a deploy that goes on no more on the machine.
 * @param why it was not committed, where that is known better than by the machine.
 */
export async function concluded(
  parts: DeployParts,
  activation: Exclude<Activation, { kind: "sick" }>,
  state: DeployState,
  why: string | null,
): Promise<MachineOutcome> {
  switch (state.name) {
    case "committed":
      return await readBack(parts, activation, state);
    case "commit-failed": {
      const reason = short(state.why === null ? state.log : `${state.why}\n${state.log}`);
      await close(parts);
      if (state.new === null) throw new Error("a deploy was committed before its system was known");
      return {
        kind: "bootloader",
        system: state.new,
        why: reason,
        boots: state.boots,
        running: state.running,
      };
    }
    default:
      return await takeBack(parts, {
        step: "commit",
        why: why ?? state.why ?? stopped(state),
        state,
      });
  }
}

/** Over one more new connection, and from what the machine runs and boots, not from what the journal says of it. */
async function readBack(
  parts: DeployParts,
  activation: Exclude<Activation, { kind: "sick" }>,
  state: DeployState,
): Promise<MachineOutcome> {
  const { beyond, clock, work } = parts;
  await parts.step("read-back");
  const until = clock.now() + (work.limits.confirmationSeconds + MARGIN) * 1_000;
  const seen = await again(() => beyond.observe(), clock, until);
  await parts.observed(seen);
  if (seen.kind !== "done")
    return { kind: "unknown", step: "read-back", why: short(describeFault(seen)), running: null };
  const { system: running, profile } = seen.value;
  if (profile?.system !== state.new)
    return {
      kind: "unknown",
      step: "read-back",
      why: `its profile is ${profile?.system ?? "missing"} and not what was committed`,
      running,
    };
  if (running !== state.new) {
    if (activation.kind === "runs")
      return { kind: "unknown", step: "read-back", why: "it runs something else", running };
    await close(parts);
    return { kind: "needs-reboot", system: state.new, why: short(activation.why), running };
  }
  await close(parts);
  const notices = activation.kind === "runs" ? activation.notices : [];
  return { kind: "active", system: state.new, generation: profile.number, notices, running };
}

/** Why a deploy stands in a state that it should have left by itself. */
export function stopped(state: DeployState): string {
  return state.rebooted
    ? `the machine was started anew while it was ${state.name}`
    : `the machine stopped while it was ${state.name}`;
}
