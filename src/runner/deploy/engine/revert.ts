import type { DeployStep, MachineOutcome } from "../../../protocol/machine.ts";
import type { DeployState } from "../../machine/index.ts";
import { again } from "./again.ts";
import { close, type DeployParts, describeFault, short } from "./parts.ts";
import { takeSourcesBack } from "./tool.ts";

/** Beyond the machine's own limits, for the way there and back (s). */
const MARGIN = 15;

export type Sick = {
  /** At which step it showed. */
  step: DeployStep;
  why: string;
  failedUnits?: string[];
  state: DeployState;
};

/**
 * Back to what ran before, unless the machine is there already. It is `rolled-back` when the machine was seen to run and to
 * boot that; whatever else is seen, or not seen, is for a person.
 */
export async function takeBack(parts: DeployParts, sick: Sick): Promise<MachineOutcome> {
  const { work, beyond, clock } = parts;
  const { counter, limits } = work;
  parts.say(`taken back: ${sick.why}`);
  await parts.step("revert");
  const seconds =
    limits.activationSeconds + limits.confirmationSeconds + limits.connectSeconds + MARGIN;
  const until = clock.now() + seconds * 1_000;
  // Refused where the machine is at it, or has done it, by itself.
  const asked = await again(
    () => beyond.revert({ counter, why: sick.why.slice(0, 200) }),
    clock,
    until,
  );
  if (asked.kind !== "done") parts.say(`the revert was not answered: ${describeFault(asked)}`);
  const waited = await again(
    () => beyond.wait({ counter, until: ["reverted", "revert-failed"], seconds }),
    clock,
    until,
  );
  const unknown = (why: string, running: string | null): MachineOutcome => ({
    kind: "unknown",
    step: "revert",
    why: short(`${why}. It was to be taken back because of this: ${sick.why}`),
    running,
  });
  if (waited.kind !== "done") return unknown(describeFault(waited), null);
  const { state } = waited.value;
  if (state.name !== "reverted")
    return unknown(`it could not be taken back (${state.name})\n${state.log}`, state.running);
  const seen = await again(() => beyond.observe(), clock, until);
  await parts.observed(seen);
  if (seen.kind !== "done") return unknown(describeFault(seen), state.running);
  const { system: running, profile } = seen.value;
  const bootsNew = state.new !== state.old && profile?.system === state.new;
  if (running !== state.old || bootsNew)
    return unknown("it says that it is taken back, and runs or boots something else", running);
  const left = await takeSourcesBack(parts);
  await close(parts);
  return {
    kind: "rolled-back",
    step: sick.step,
    why: left === null ? short(sick.why) : short(`${sick.why}\n${left}`),
    failedUnits: [...new Set([...(sick.failedUnits ?? []), ...(sick.state.newlyFailed ?? [])])],
    running,
  };
}
