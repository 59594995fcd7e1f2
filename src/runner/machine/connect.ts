import { askMissing, copyClosure } from "./copy.ts";
import type {
  CheckEnd,
  CommandEnd,
  DeployState,
  Machine,
  MachineCheck,
  MachineOptions,
  MachineTarget,
  MissingRequest,
  Reply,
} from "./machine.ts";
import type { Facts } from "./answer.ts";
import { digestsOf, failedUnits, observationOf, stateOf } from "./observation.ts";
import { encodedWord, prepareSsh } from "./ssh.ts";
import { Talk } from "./talk.ts";
import { waitFor } from "./wait.ts";

const REPEATABLE = { repeatable: true } as const;
/** For a list of paths to arrive, and for the store's answer. */
const MISSING_SECONDS = 60;

/** Prepares connections to a machine; none is made yet. @throws for a target that cannot be one */
export async function connectMachine(
  target: MachineTarget,
  options: MachineOptions,
): Promise<Machine> {
  const ssh = await prepareSsh(target, options.connectSeconds);
  const talk = new Talk(ssh, options);
  const { now } = options;
  let lacking: (MissingRequest & { readonly missing: readonly string[] }) | null = null;
  return {
    hostKey: ssh.hostKey,
    open: () => talk.open(),
    observe: () => talk.ask(["observe"], (facts) => observationOf(facts, now()), REPEATABLE),
    state: () => talk.ask(["state"], stateOf, REPEATABLE),
    begin: ({ counter, expected, system }) =>
      talk.ask(["begin", String(counter), expected ?? "-", system ?? "-"], (facts) => ({
        running: required(facts.word("running"), "running"),
        failedUnits: failedUnits(facts, "failed"),
        bootId: required(facts.word("boot-id"), "boot-id"),
      })),
    space: ({ counter, nixBytes, nixInodes, bootBytes }) =>
      talk.ask(["space", ...[counter, nixBytes, nixInodes, bootBytes].map(String)], (facts) => ({
        nixBytes: required(facts.number("nix"), "nix"),
        nixInodes: required(facts.number("nix", 1), "nix"),
        bootBytes: facts.number("boot"),
      })),
    missing: async (request) => {
      const missing = await askMissing(talk, request, MISSING_SECONDS);
      if (missing.kind === "done" && request.counter !== undefined)
        lacking = { ...request, missing: missing.value };
      return missing;
    },
    copy: (request) => {
      const asked = lacking;
      // Good for one copy: after one that failed the machine lacks something else.
      lacking = null;
      const same = asked?.paths === request.paths && asked.counter === request.counter;
      return copyClosure(talk, request, same ? asked.missing : null);
    },
    verify: ({ counter, system, manifest, digest, bytes, timeoutSeconds }) =>
      talk.ask(
        ["verify", String(counter), system, digest, bytes, whole(timeoutSeconds)],
        verified,
        {
          input: manifest,
          seconds: timeoutSeconds,
          ...REPEATABLE,
        },
      ),
    reuse: ({ counter }) =>
      talk.ask(["reuse", String(counter)], () => ({ paths: 0, hashed: 0 }), REPEATABLE),
    command: ({ counter, argv, timeoutSeconds }) =>
      talk.ask(
        ["command", String(counter), whole(timeoutSeconds), ...argv.map(encodedWord)],
        commandEnd,
        { seconds: timeoutSeconds },
      ),
    dryActivate: ({ counter, timeoutSeconds }) =>
      talk.ask(["dry-activate", String(counter), whole(timeoutSeconds)], commandEnd, {
        seconds: timeoutSeconds,
      }),
    activate: ({ counter, activationSeconds, confirmationSeconds }) =>
      talk.ask(
        ["activate", ...[counter, activationSeconds, confirmationSeconds].map(whole)],
        deployState,
      ),
    guard: ({ counter, activationSeconds, confirmationSeconds }) =>
      talk.ask(
        ["guard", ...[counter, activationSeconds, confirmationSeconds].map(whole)],
        deployState,
      ),
    activated: ({ counter, exitCode }) =>
      talk.ask(["activated", String(counter), String(exitCode)], deployState, REPEATABLE),
    unguard: ({ counter }) => talk.ask(["unguard", String(counter)], deployState),
    wait: (request) => waitFor(talk, request),
    confirm: ({ counter }) => talk.ask(["confirm", String(counter)], deployState, { anew: true }),
    check: ({ check, timeoutSeconds }) => checkOnce(talk, check, timeoutSeconds),
    digest: ({ paths }) =>
      talk.ask(
        ["digest", ...paths.map(encodedWord)],
        (facts) => digestsOf(facts, paths.length),
        REPEATABLE,
      ),
    commit: ({ counter }) => talk.ask(["commit", String(counter)], deployState, REPEATABLE),
    revert: ({ counter, why }) =>
      talk.ask(
        ["revert", String(counter), encodedWord(why.slice(0, 1_000))],
        deployState,
        REPEATABLE,
      ),
    end: ({ counter }) => talk.ask(["end", String(counter)], deployState, REPEATABLE),
    close: () => talk.close(),
  };
}

/** The machine counts in whole seconds. */
function whole(seconds: number): string {
  return String(Math.ceil(seconds));
}

function required<T>(value: T | null, key: string): T {
  if (value === null) throw new Error(`no line "${key}"`);
  return value;
}

export function deployState(facts: Facts): DeployState {
  return required(stateOf(facts), "deploy");
}

function verified(facts: Facts): { paths: number; hashed: number } {
  return {
    paths: required(facts.number("verified"), "verified"),
    hashed: required(facts.number("verified", 1), "verified"),
  };
}

function commandEnd(facts: Facts): CommandEnd {
  return { exitCode: required(facts.number("exit"), "exit"), log: facts.text("log") ?? "" };
}

async function checkOnce(
  talk: Talk,
  check: MachineCheck,
  timeoutSeconds: number,
): Promise<Reply<CheckEnd>> {
  const seconds = whole(timeoutSeconds);
  const limit = { seconds: timeoutSeconds };
  if (check.kind === "unit")
    return talk.ask(
      ["check-unit", seconds, encodedWord(check.unit)],
      (facts) => {
        const is = facts.word("unit") ?? "unknown";
        return { healthy: is === "active", why: is === "active" ? "" : `${check.unit} is ${is}` };
      },
      limit,
    );
  return talk.ask(
    ["check-command", seconds, ...check.argv.map(encodedWord)],
    (facts) => {
      const { exitCode, log } = commandEnd(facts);
      const healthy = exitCode === 0;
      return { healthy, why: healthy ? "" : `exited with ${exitCode}: ${log.slice(-1_000)}` };
    },
    limit,
  );
}
