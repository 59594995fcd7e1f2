import type { DeployAction, DeployStep } from "../../../src/protocol/machine.ts";
import { deployMachine } from "../../../src/runner/deploy/engine/deploy.ts";
import type {
  MethodModule,
  MethodPlace,
  ToolEnd,
} from "../../../src/runner/deploy/methods/method.ts";
import { ModelMachine, NEW, type Script } from "./model.ts";
import { quiet } from "./script.ts";
import { BUILDER, PATHS, work } from "./support.ts";
import { Ticking } from "./ticking.ts";

export const OTHER = "/nix/store/22222222222222222222222222222222-other";
export const DONE: ToolEnd = { exitCode: 0, timedOut: false, log: "" };
export const ended = (changes: Partial<ToolEnd>): ToolEnd => ({ ...DONE, ...changes });
const { action } = work({});
if (action.kind !== "system") throw new Error("a system is deployed");
export const closure: DeployAction = { ...action, system: NEW };
export const source: DeployAction = { kind: "source", tree: "b".repeat(40) };
export const back: DeployAction = { kind: "generation", number: 1, system: null };

interface Play {
  readonly action?: DeployAction;
  readonly script?: Partial<Script>;
  readonly module?: Partial<MethodModule>;
  /** What the tool does to the machine, and how it says that it ended. */
  readonly tool?: (machine: ModelMachine, clock: Ticking) => ToolEnd;
  readonly cancelAt?: DeployStep;
}

const HEALTH = {
  kind: "unit",
  unit: "web.service",
  graceSeconds: 5,
  intervalSeconds: 1,
  timeoutSeconds: 1,
} as const;

/** What every deploy here has. */
export function parts({ machine, clock }: { machine: ModelMachine; clock: Ticking }) {
  return {
    manifest: null,
    machine,
    beyond: machine,
    signal: new AbortController().signal,
    store: { nixStore: "nix-store", url: null, env: {} },
    probe: async () => null,
    clock,
    seal: () => true,
    step: async () => {},
    observed: async () => {},
    say: () => {},
  };
}

export async function play({ action: asked = closure, script, module, tool, cancelAt }: Play) {
  const clock = new Ticking();
  const machine = new ModelMachine({ ...quiet, ...script }, clock);
  const steps: DeployStep[] = [];
  const calls: string[] = [];
  const cancel = new AbortController();
  const called = (name: string) => async () => {
    calls.push(name);
    return { kind: "done" } as const;
  };
  const base = parts({ machine, clock });
  const outcome = await deployMachine({
    ...base,
    work: work({ method: "clan", action: asked, health: [HEALTH] }),
    manifest: asked.kind === "system" ? { text: BUILDER.text, paths: PATHS, boot: [] } : null,
    tool: {
      // Of the place the engine itself looks at nothing.
      place: {} as MethodPlace,
      module: {
        name: "clan",
        artefact: "closure",
        lacks: {},
        check: called("check"),
        build: called("build"),
        async activate() {
          calls.push("activate");
          return tool?.(machine, clock) ?? DONE;
        },
        async verify() {
          calls.push("verify");
          return [];
        },
        ...module,
      },
    },
    signal: cancel.signal,
    seal: () => !cancel.signal.aborted,
    step: async (step) => {
      steps.push(step);
      if (step === cancelAt) cancel.abort();
    },
  });
  const truth = { running: machine.running, profile: machine.profile };
  // Whatever is not told yet: the machine's own limits pass.
  clock.pass(1_000);
  machine.settle();
  const final = { running: machine.running, profile: machine.profile };
  return { outcome, steps, calls, machine, truth, final };
}
