import type { DeployStep, MachineOutcome } from "../../../protocol/machine.ts";
import type { DeployState, DeployStateName } from "../../machine/index.ts";
import { judgeActivation } from "./activation.ts";
import { again } from "./again.ts";
import { type DeployParts, describeFault, short, untouched } from "./parts.ts";
import { takeBack } from "./revert.ts";
import { concluded, stopped } from "./settle.ts";

/** Beyond the machine's own limits (s). */
const MARGIN = 15;
/** Where nothing of a deploy goes on by itself. */
const RESTS: readonly DeployStateName[] = [
  "committed",
  "commit-failed",
  "reverted",
  "revert-failed",
];

/**
 * A deploy whose runner's process ended under it: nothing is begun that had not begun. What the machine does by itself is
 * waited for, and closed there, so that nothing that is still on its way can change the machine afterwards.
 */
export async function closeLost(parts: DeployParts): Promise<MachineOutcome> {
  const { work, beyond, clock } = parts;
  const { counter, limits } = work;
  const unknown = (why: string, running: string | null = null): MachineOutcome => ({
    kind: "unknown",
    step: "connect",
    why: short(`the runner was started anew in mid-deploy, and ${why}`),
    running,
  });
  const { activationSeconds, confirmationSeconds, connectSeconds } = limits;
  const seconds = 2 * activationSeconds + confirmationSeconds + connectSeconds + MARGIN;
  const until = clock.now() + seconds * 1_000;
  parts.seal();
  await parts.step("connect");
  const first = await again(() => beyond.state(), clock, until);
  if (first.kind !== "done") return unknown(describeFault(first));
  if (first.value === null || first.value.counter < counter) return await neverBegun(parts, until);
  if (first.value.counter > counter) return unknown("another deploy was made of it since");
  // Its tool went with the runner: the machine would wait for nobody.
  if (first.value.guarded && first.value.name === "activating")
    return await takeBack(parts, {
      step: "activate",
      why: "the runner was started anew while the tool was at it",
      state: first.value,
    });
  const waited = await again(() => beyond.wait({ counter, until: RESTS, seconds }), clock, until);
  if (waited.kind !== "done") return unknown(describeFault(waited));
  return await judge(parts, waited.value.state, unknown);
}

async function judge(
  parts: DeployParts,
  state: DeployState,
  unknown: (why: string, running: string | null) => MachineOutcome,
): Promise<MachineOutcome> {
  const { work, beyond } = parts;
  const why = "the runner was started anew in mid-deploy";
  switch (state.name) {
    case "begun":
    case "copied":
    case "verified": {
      const closed = await beyond.end({ counter: work.counter });
      return closed.kind === "done"
        ? untouched(NEXT[state.name], why, state.running)
        : unknown(describeFault(closed), state.running);
    }
    case "committed":
    case "commit-failed": {
      const activation = judgeActivation(state);
      return activation.kind === "sick"
        ? await takeBack(parts, { step: "health", ...activation, state })
        : await concluded(parts, activation, state, why);
    }
    case "armed":
    case "activating":
    case "activated":
    case "confirmed":
    case "committing":
    case "reverting":
      return await takeBack(parts, { step: "activate", why: stopped(state), state });
    case "reverted":
    case "revert-failed":
      return await takeBack(parts, { step: "activate", why, state });
  }
}

/** The step that had not ended when the journal says so. */
const NEXT = {
  begun: "copy",
  copied: "verify",
  verified: "dry-activate",
} as const satisfies Record<string, DeployStep>;

/** The machine has not heard of it, and is to hear of it no more: its counter is taken, and the deploy is over. */
async function neverBegun(parts: DeployParts, until: number): Promise<MachineOutcome> {
  const { beyond, clock, work } = parts;
  const seen = await again(() => beyond.observe(), clock, until);
  await parts.observed(seen);
  if (seen.kind !== "done") return untouched("begin", describeFault(seen), null);
  const { system: running } = seen.value;
  if (running === null)
    return untouched("begin", "the runner was started anew before it began", null);
  const taken = await beyond.begin({ counter: work.counter, expected: null, system: running });
  if (taken.kind === "done") await beyond.end({ counter: work.counter });
  return untouched("begin", "the runner was started anew before it began", running);
}
