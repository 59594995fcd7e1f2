import type { DeployStep, MachineOutcome } from "../../../protocol/machine.ts";
import type { DeployState, DeployStateName } from "../../machine/index.ts";
import type { MethodEnd, MethodModule, MethodPlace, ToolEnd } from "../methods/method.ts";
import { type Activation, EXIT, judgeActivation } from "./activation.ts";
import { again } from "./again.ts";
import { close, type DeployParts, describeFault, short, untouched } from "./parts.ts";

/** What changes the machine in place of Snowcat's own activation. */
export interface DeployTool {
  readonly module: MethodModule;
  readonly place: MethodPlace;
}

/** Beyond the machine's own limits, for the way there and back (s). */
const MARGIN = 15;
const REVERTED: readonly DeployStateName[] = ["reverted", "revert-failed"];

/** The tool where it goes forward: the way back is the machine's own. */
export function forward({ tool, work }: DeployParts): DeployTool | null {
  return work.action.kind === "generation" ? null : tool;
}

/** Before the machine hears of it. Null: the tool has what it needs, and would do what was approved. */
export async function readyTool(
  parts: DeployParts,
  { module, place }: DeployTool,
  running: string | null,
): Promise<MachineOutcome | null> {
  const steps = [
    ["check", () => module.check(place)],
    ["build", () => module.build(place)],
  ] as const satisfies readonly (readonly [DeployStep, () => Promise<MethodEnd>])[];
  for (const [step, why] of Object.entries(module.lacks))
    parts.say(`${module.name}, step ${step}: ${why}`);
  for (const [step, take] of steps) {
    await parts.step(step);
    const end = await take();
    if (parts.signal.aborted) return untouched(step, "it was cancelled", running);
    switch (end.kind) {
      case "done":
        break;
      case "missing":
        return { kind: "not-prepared", missing: end.missing.slice(0, 32).map(short), running };
      case "failed":
        return untouched(step, end.why, running);
    }
  }
  return null;
}

export type ToolActivated =
  | { kind: "state"; state: DeployState; activation: Activation }
  | { kind: "ended"; outcome: MachineOutcome };
const ended = (outcome: MachineOutcome): ToolActivated => ({ kind: "ended", outcome });

/**
 * The machine is guarded, then the tool runs, once. That it failed is believed of it, that it succeeded is not: what it came
 * to is read from the machine.
 */
export async function activateByTool(
  parts: DeployParts,
  { module, place }: DeployTool,
  old: string,
): Promise<ToolActivated> {
  const { work, beyond, clock } = parts;
  const { counter, limits } = work;
  const { activationSeconds, confirmationSeconds, connectSeconds } = limits;
  const guarded = await guard(parts, old);
  if (guarded !== null) return ended(guarded);
  const end = await module.activate(place).catch((error: unknown): ToolEnd => ({
    exitCode: null,
    timedOut: false,
    log: error instanceof Error ? error.message : String(error),
  }));
  parts.say(`${module.name} ${describeEnd(end)}`);
  if (end.skipped !== undefined) {
    const free = await again(() => beyond.unguard({ counter }), clock, deadline(parts));
    if (free.kind === "done") {
      await close(parts);
      return ended(
        untouched("activate", `${module.name} passed the machine over: ${end.skipped}`, old),
      );
    }
    parts.say(`not as it was before: ${describeFault(free)}`);
  }
  const exitCode = end.inhibited === undefined ? end.exitCode : EXIT.reboot;
  if (exitCode !== null) {
    const told = await again(() => beyond.activated({ counter, exitCode }), clock, deadline(parts));
    if (told.kind !== "done") parts.say(`its end was not heard: ${describeFault(told)}`);
  }
  const seconds = 2 * activationSeconds + confirmationSeconds + connectSeconds + MARGIN;
  const until: DeployStateName[] =
    exitCode === null ? ["activating", "activated", ...REVERTED] : ["activated", ...REVERTED];
  const waited = await again(
    () => beyond.wait({ counter, until, seconds }),
    clock,
    clock.now() + seconds * 1_000,
  );
  if (waited.kind !== "done") {
    const why = short(describeFault(waited));
    return ended({ kind: "unknown", step: "activate", why, running: null });
  }
  const { state } = waited.value;
  return { kind: "state", state, activation: judgeTool(module.name, state, end, old) };
}

/** Null: the watchdog is armed. What was lost on the way is looked up, for nothing else begins it. */
async function guard(parts: DeployParts, old: string): Promise<MachineOutcome | null> {
  const { work, beyond, clock } = parts;
  const { counter, limits } = work;
  const { activationSeconds, confirmationSeconds } = limits;
  const armed = await beyond.guard({ counter, activationSeconds, confirmationSeconds });
  if (armed.kind === "done") return null;
  if (armed.kind === "lost") {
    const state = await again(() => beyond.state(), clock, deadline(parts));
    if (state.kind !== "done")
      return { kind: "unknown", step: "activate", why: short(describeFault(state)), running: null };
    const ours = state.value?.counter === counter ? state.value : null;
    if (ours?.name === "activating" && ours.guarded) return null;
  }
  await close(parts);
  const isOthers = armed.kind === "refused" && armed.code === "stale-counter";
  return untouched("activate", describeFault(armed), isOthers ? null : old);
}

function judgeTool(name: string, state: DeployState, end: ToolEnd, old: string): Activation {
  const failedUnits = [...(state.newlyFailed ?? [])];
  const tail = end.log === "" ? "" : `\n${end.log}`;
  const sick = (why: string): Activation => ({ kind: "sick", why: `${why}${tail}`, failedUnits });
  if (state.name !== "activated") {
    const why = state.why === null ? "" : ` (${state.why})`;
    return sick(`${name} ${describeEnd(end)}, and the deploy is ${state.name}${why}`);
  }
  if (end.skipped !== undefined) return sick(`${name} passed the machine over: ${end.skipped}`);
  if (end.inhibited !== undefined && state.running === old)
    return { kind: "needs-reboot", why: `${name}: ${end.inhibited}` };
  if (end.exitCode !== 0 && end.exitCode !== EXIT.units && end.exitCode !== EXIT.reboot)
    return sick(`${name} ${describeEnd(end)}`);
  if (state.running !== state.new && state.running === old && end.exitCode === 0)
    return sick(`${name} says that it is done, and the machine runs what it ran before`);
  return judgeActivation({ ...state, log: end.log });
}

/** The way back that a person asked for: sources first, which run nowhere. What is wrong is a notice, null where nothing is. */
export async function bringSourcesBack(parts: DeployParts): Promise<string | null> {
  const { tool, work } = parts;
  if (tool?.module.rollBack === undefined || work.action.kind !== "generation") return null;
  parts.say("the sources of before are brought back");
  return await rolledBack(tool, "asked");
}

/** A deploy that was taken back leaves no sources behind either. */
export async function takeSourcesBack(parts: DeployParts): Promise<string | null> {
  const { tool, work } = parts;
  if (work.action.kind === "generation") return null;
  if (tool?.module.rollBack !== undefined) return await rolledBack(tool, "sick");
  return work.action.kind === "source" && tool === null
    ? "What its tool had brought to the machine by then is there still"
    : null;
}

async function rolledBack(
  { module, place }: DeployTool,
  why: "asked" | "sick",
): Promise<string | null> {
  try {
    const end = await module.rollBack?.(place, why);
    if (end === undefined || end.exitCode === 0) return null;
    return short(
      `The sources of before could not be brought back: ${module.name} ${describeEnd(end)}\n${end.log}`,
    );
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return short(`The sources of before could not be brought back: ${said}`);
  }
}

function describeEnd({ exitCode, timedOut }: ToolEnd): string {
  if (timedOut) return "was over its time limit";
  return exitCode === null ? "was ended, or never began" : `exited with ${exitCode}`;
}

const deadline = ({ clock, work: { limits } }: DeployParts): number =>
  clock.now() + (limits.activationSeconds + limits.connectSeconds) * 1_000;
