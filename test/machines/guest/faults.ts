import type { DeployStep, HealthCheck, MachineOutcome } from "../../../src/protocol/machine.ts";
import type { DeployState, DeployStateName, Machine } from "../../../src/runner/machine/index.ts";
import { connectMachine } from "../../../src/runner/machine/index.ts";
import type { Deploy, Deployed } from "../../faults/deploy/deploying.ts";
import { deployTo } from "../../faults/deploy/deploying.ts";
import { isSo, type FaultRow } from "../../faults/deploy/row.ts";
import { Deploy as ByVerbs, done } from "../deploying.ts";
import type { Guest } from "./guest.ts";
import { PATIENCE } from "./qemu.ts";
import type { GuestSystem, GuestWorld } from "./world.ts";
import { ACTIVATING, GUEST_LIMITS, SITE, WRITES_ENTRY } from "./world.ts";

/** Something that happens to a machine with systemd while it is deployed to. */
export interface GuestFault {
  readonly name: string;
  readonly play: (world: GuestWorld) => Promise<FaultRow>;
}

interface Expected {
  readonly kinds: readonly MachineOutcome["kind"][];
  readonly runs: readonly GuestSystem[];
}

interface Play extends Deploy {
  /** Done to the guest before; and to it after, when the deploy has ended. */
  readonly before?: (guest: Guest) => Promise<void>;
  readonly after?: (guest: Guest, outcome: MachineOutcome) => Promise<string | null>;
  /** Done beside the deploy, from when a step begins. */
  readonly at?: { readonly step: DeployStep; readonly disturb: (guest: Guest) => Promise<void> };
}

function fault(name: string, wanted: GuestSystem, expected: Expected, how: Play = {}): GuestFault {
  return {
    name,
    play: async (world) => {
      await using guest = await world.guest();
      await how.before?.(guest);
      const disturbed: Promise<void>[] = [];
      const deployed = await deployTo(world.lab, guest.target, world.systems[wanted], {
        expected: world.systems.old,
        health: [SITE],
        ...how,
        limits: { ...GUEST_LIMITS, ...how.limits },
        onStep: (begun) => {
          if (begun === how.at?.step && disturbed.length === 0)
            disturbed.push(how.at.disturb(guest));
        },
      });
      await Promise.all(disturbed);
      if (how.at !== undefined && disturbed.length === 0)
        throw new Error(`${name}: step ${how.at.step} never began: ${deployed.log.join("\n")}`);
      const row = await judged(world, name, guest, deployed, expected);
      const wrong = (await how.after?.(guest, deployed.outcome)) ?? null;
      return wrong === null ? row : { ...row, working: false, detail: wrong };
    },
  };
}

/** Holds what was said against what is. */
async function judged(
  world: GuestWorld,
  name: string,
  guest: Guest,
  { outcome, seconds, log }: Deployed,
  expected: Expected,
): Promise<FaultRow> {
  const truth = await guest.truth();
  const ailment = await world.ailment(guest);
  const after = world.nameOf(truth.running);
  const boots = outcome.kind === "needs-reboot" ? outcome.system : truth.running;
  const working =
    ailment === null && truth.boots === boots && expected.runs.some((system) => system === after);
  const truthful = expected.kinds.includes(outcome.kind) && isSo(outcome, truth, world.systems.old);
  return {
    fault: name,
    verdict: `${outcome.kind}${"step" in outcome ? ` at ${outcome.step}` : ""}`,
    before: "old",
    after,
    seconds: Math.round(seconds * 10) / 10,
    working,
    truthful,
    detail:
      working && truthful
        ? ""
        : `${JSON.stringify({ outcome, truth, ailment })}\n${log.join("\n")}\n${guest.said()}`,
  };
}

const active = (system: GuestSystem): Expected => ({ kinds: ["active"], runs: [system] });
const back: Expected = { kinds: ["rolled-back"], runs: ["old"] };

/** The plug is pulled when a step begins, or when the guest says something in it; then it is switched on again. */
function powerCut(
  name: string,
  wanted: GuestSystem,
  step: DeployStep,
  expected: Expected,
  how: { heard?: string; survives?: (write: number) => boolean } = {},
): GuestFault {
  return fault(`power cut ${name}`, wanted, expected, {
    at: {
      step,
      disturb: async (guest) => {
        if (how.heard !== undefined) await guest.heard(how.heard);
        await guest.powerCut(how.survives);
        await guest.powerOn();
      },
    },
  });
}

/** Boots again, by itself, and must come up with this system. */
const comesUpWith = (system: GuestSystem, world: GuestWorld) => async (guest: Guest) => {
  await guest.reboot();
  const { running, booted, boots } = await guest.truth();
  const wanted = world.systems[system];
  if (running !== wanted || booted !== wanted || boots !== wanted)
    return `after a reboot: ${JSON.stringify({ running, booted, boots })}`;
  return await world.ailment(guest);
};

const rebooted = (name: string, wanted: GuestSystem, expected: Expected): GuestFault => ({
  name,
  play: async (world) =>
    await fault(name, wanted, expected, { after: comesUpWith(wanted, world) }).play(world),
});

/** Nobody comes back to confirm, and sshd is killed with all its connections: systemd keeps the watchdog alive. */
const forsaken: GuestFault = {
  name: "runner gone and sshd killed after activation: the watchdog is a unit of its own",
  play: async (world) => {
    await using guest = await world.guest();
    const began = performance.now();
    const client = await connectMachine(guest.target, {
      connectSeconds: GUEST_LIMITS.connectSeconds,
      now: () => Date.now(),
      env: world.lab.env,
    });
    try {
      const system = world.systems.good;
      const verbs = new ByVerbs(world.lab, client, {
        counter: 1,
        system,
        activationSeconds: GUEST_LIMITS.activationSeconds,
        confirmationSeconds: 30,
      });
      await verbs.prepare();
      done(await verbs.start());
      await reaches(client, "activated");
      const unit = (
        await guest.shell("systemctl show -P ControlGroup snowcat-deploy-1.service")
      ).trim();
      await guest
        .shell("systemctl kill --kill-whom=all -s KILL ssh.service")
        .catch(() => "its own connection");
      const state = await reaches(client, "reverted", "revert-failed");
      const seconds = (performance.now() - began) / 1_000;
      const outcome: MachineOutcome = {
        kind: "rolled-back",
        step: "confirm",
        why: `${state.name}: ${state.why}`,
        failedUnits: [],
        running: state.running,
      };
      const row = await judged(world, forsaken.name, guest, { outcome, seconds, log: [] }, back);
      const detached = unit === "/system.slice/snowcat-deploy-1.service";
      const reason = state.name === "reverted" && state.why === "confirmation-limit";
      return detached && reason
        ? { ...row, verdict: "reverted by itself: confirmation-limit" }
        : { ...row, working: false, detail: `${unit} ${state.name} ${state.why}\n${row.detail}` };
    } finally {
      await client.close();
    }
  },
};

/** Waits as long as a machine may take on which everything is emulated. */
async function reaches(client: Machine, ...until: DeployStateName[]): Promise<DeployState> {
  const seconds = PATIENCE / 1_000;
  const { state, until: there } = done(await client.wait({ counter: 1, until, seconds }));
  if (!there) throw new Error(`it is ${state.name}, and not ${until.join(" or ")}: ${state.log}`);
  return state;
}

const noneOfIt = async (guest: Guest): Promise<string | null> => {
  const left = await guest.shell(
    "pgrep -fx 'sleep 600' || true; systemctl list-units 'snowcat-*' --plain --no-legend",
  );
  return left === "" ? null : `left behind: ${left}`;
};
const has = (outcome: MachineOutcome, text: string): string | null =>
  JSON.stringify(outcome).includes(text) ? null : `it does not say ${text}`;
const unitIs: HealthCheck = {
  kind: "unit",
  unit: "worker.service",
  graceSeconds: 60,
  intervalSeconds: 1,
  timeoutSeconds: 30,
};

export const guestFaults: readonly GuestFault[] = [
  rebooted("none, then a reboot", "good", active("good")),
  // What had come was not flushed: whatever goes on afterwards must not take it for what was built.
  powerCut("when the closure has come", "good", "verify", {
    kinds: ["active", "failed-untouched"],
    runs: ["good", "old"],
  }),
  powerCut("before activation", "good", "dry-activate", {
    kinds: ["active", "failed-untouched"],
    runs: ["good", "old"],
  }),
  powerCut("during activation", "lengthy", "activate", back, { heard: ACTIVATING }),
  powerCut("after activation", "good", "confirm", back),
  powerCut("during the health check", "good", "health", back),
  powerCut("between profile and boot entry", "lingering", "commit", back, { heard: WRITES_ENTRY }),
  powerCut(
    "between profile and boot entry, half of the later writes kept",
    "lingering",
    "commit",
    back,
    {
      heard: WRITES_ENTRY,
      survives: (write) => write % 2 === 0,
    },
  ),
  powerCut("after the boot entry", "good", "read-back", active("good")),
  forsaken,
  fault("activation over its limit, ended with all that it started", "endless", back, {
    // The way back has the same limit.
    limits: { activationSeconds: 60 },
    after: noneOfIt,
  }),
  fault("a unit that had failed before still does", "good", active("good"), {
    health: [SITE, unitIs],
    before: async (guest) => {
      await guest.shell(
        "systemd-run --quiet --unit=legacy /bin/false; until systemctl is-failed -q legacy; do sleep 0.1; done",
      );
    },
    after: async (_, outcome) => has(outcome, "legacy.service"),
  }),
  fault("a unit fails that had not", "sick", back, {
    after: async (_, outcome) => has(outcome, "sick.service"),
  }),
  fault("a system that loses its network when activated", "deaf", back, {
    limits: { confirmationSeconds: 30 },
  }),
  rebooted("a system that only a reboot brings", "incompatible", {
    kinds: ["needs-reboot"],
    runs: ["old"],
  }),
];
