import type { MachineOutcome, Observation } from "../../../protocol/machine.ts";
import type { MachineFault, Reply } from "../../machine/index.ts";
import { EXIT } from "./activation.ts";
import { again } from "./again.ts";
import { type DeployParts, describeFault, short, untouched } from "./parts.ts";
import { neededSpace } from "./space.ts";
import { forward, readyTool } from "./tool.ts";

export type Prepared =
  | { kind: "ended"; outcome: MachineOutcome }
  /** `running`: what is put back. */
  | { kind: "ready"; running: string };

/** How often a cut link is taken up again before the activation, in limits of one connection's beginning. */
const CONNECTS = 4;

/**
 * Everything before the activation: nothing of what runs is changed. Whatever ends it, the machine is told that the deploy
 * is over, so that the next one finds it free.
 */
export async function prepare(parts: DeployParts): Promise<Prepared> {
  const { work, machine } = parts;
  await parts.step("connect");
  const before = await tried(parts, () => machine.observe());
  await parts.observed(before);
  if (before.kind !== "done") return ended(untouched("connect", describeFault(before), null));
  const running = before.value.system;
  const system = systemOf(parts, before.value);
  if (system.kind === "none") return ended(untouched("begin", system.why, running));

  const tool = forward(parts);
  const unready = tool === null ? null : await readyTool(parts, tool, running);
  if (unready !== null) return ended(unready);

  await parts.step("begin");
  const begun = await begin(parts, system.system);
  if (begun.kind !== "done") return ended(notBegun(begun, running));
  const outcome = await bring(parts, system.system, begun.value);
  if (outcome === null) return { kind: "ready", running: begun.value };
  const closed = await parts.beyond.end({ counter: work.counter });
  if (closed.kind !== "done") parts.say(`not closed on the machine: ${describeFault(closed)}`);
  return ended(outcome);
}

/** From space to the dry activation; null when all of it succeeded. */
async function bring(
  parts: DeployParts,
  system: string | null,
  running: string,
): Promise<MachineOutcome | null> {
  const { work, manifest, machine, clock } = parts;
  const { counter, limits } = work;
  const { copySeconds } = limits;

  if (system === null) {
    // That the tree is the approved one was insisted on when it was laid out; there is no closure to compare.
    await parts.step("verify");
  } else if (manifest === null) {
    await parts.step("verify");
    const reused = await tried(parts, () => machine.reuse({ counter }));
    if (reused.kind !== "done") return failure("verify", reused, running);
  } else {
    const end = clock.now() + copySeconds * 1_000;
    const left = () => Math.max(1, (end - clock.now()) / 1_000);
    const names = manifest.paths.map(({ path }) => path);
    await parts.step("space");
    const missing = await tried(parts, () => machine.missing({ paths: names, counter }));
    if (missing.kind !== "done") return failure("space", missing, running);
    const needed = neededSpace(manifest.paths, new Set(missing.value), manifest.boot);
    const space = await tried(parts, () => machine.space({ counter, ...needed }));
    if (space.kind !== "done") return failure("space", space, running);
    parts.say(`${missing.value.length} of ${names.length} paths are missing on the machine`);

    await parts.step("copy");
    const copied = await tried(
      parts,
      () =>
        machine.copy({ counter, system, paths: names, from: parts.store, timeoutSeconds: left() }),
      Math.min(end, linkUntil(parts)),
    );
    if (copied.kind !== "done") return failure("copy", copied, running);
    parts.say(`copied ${copied.value.paths} paths, ${copied.value.bytes} bytes`);

    await parts.step("verify");
    const { digest } =
      parts.work.action.kind === "system" ? parts.work.action.manifest : { digest: "" };
    const verified = await tried(parts, () =>
      machine.verify({
        counter,
        system,
        manifest: manifest.text,
        digest,
        bytes: "copied",
        timeoutSeconds: copySeconds,
      }),
    );
    if (verified.kind !== "done") return failure("verify", verified, running);
    parts.say(`verified ${verified.value.paths} paths, the bytes of ${verified.value.hashed} anew`);
  }

  if (work.backup !== null) {
    await parts.step("backup");
    // Not asked again when its answer is lost: what a second one would do, nobody knows.
    const backup = await machine.command({
      counter,
      argv: work.backup,
      timeoutSeconds: limits.activationSeconds,
    });
    if (backup.kind !== "done") return failure("backup", backup, running);
    said(parts, backup.value.log);
    if (backup.value.exitCode !== 0)
      return untouched("backup", exited("the backup", backup.value), running);
  }

  if (system === null) return null;
  // What comes past the point of no return goes over another connection: it stands by then.
  parts.beyond.open();
  await parts.step("dry-activate");
  const dry = await tried(parts, () =>
    machine.dryActivate({ counter, timeoutSeconds: limits.activationSeconds }),
  );
  if (dry.kind !== "done") return failure("dry-activate", dry, running);
  said(parts, dry.value.log);
  // NixOS looks for what only a reboot brings before it looks at what it was asked for.
  return dry.value.exitCode === 0 || dry.value.exitCode === EXIT.reboot
    ? null
    : untouched("dry-activate", exited("the dry activation", dry.value), running);
}

/**
 * Answers what runs. A lost answer is looked up: the counter was handed out once, so that what carries it is ours.
 */
async function begin(parts: DeployParts, system: string | null): Promise<Reply<string>> {
  const { work, machine, clock } = parts;
  const until = linkUntil(parts);
  const request = { counter: work.counter, expected: work.expected, system };
  for (;;) {
    const begun = await machine.begin(request);
    if (begun.kind === "done") return { kind: "done", value: begun.value.running };
    if (begun.kind !== "lost" && begun.kind !== "unreachable") return begun;
    if (clock.now() > until) return begun;
    const state = await tried(parts, () => machine.state(), until);
    if (state.kind !== "done") return begun;
    if (state.value?.counter !== work.counter) continue;
    if (state.value.new !== system || state.value.ended) return begun;
    return { kind: "done", value: state.value.old };
  }
}

function systemOf(
  { work: { action } }: DeployParts,
  { profile, generations, system: running }: Observation,
): { kind: "system"; system: string | null } | { kind: "none"; why: string } {
  if (action.kind === "system") return { kind: "system", system: action.system };
  if (action.kind === "source") return { kind: "system", system: null };
  const older = generations
    .filter(({ number }) => profile === null || number < profile.number)
    .toSorted((a, b) => b.number - a.number);
  const found =
    action.number === null
      ? older.find(({ system }) => system !== running)
      : generations.find(({ number }) => number === action.number);
  const what = action.number === null ? "an earlier generation" : `generation ${action.number}`;
  if (found === undefined)
    return { kind: "none", why: `the machine has not ${what} of its system` };
  if (action.system !== null && found.system !== action.system)
    return { kind: "none", why: `${what} is ${found.system}, not ${action.system}` };
  return { kind: "system", system: found.system };
}

function notBegun(fault: MachineFault, running: string | null): MachineOutcome {
  const why = describeFault(fault);
  if (fault.kind === "refused") {
    if (fault.code === "busy") return { kind: "held", why: short(why), running };
    if (fault.code === "not-prepared")
      return { kind: "not-prepared", missing: [short(fault.why)], running };
  }
  return untouched("begin", why, running);
}

function failure(
  step: Parameters<typeof untouched>[0],
  fault: MachineFault,
  running: string,
): MachineOutcome {
  if (fault.kind === "refused" && fault.code === "not-prepared")
    return { kind: "not-prepared", missing: [short(fault.why)], running };
  // Another deploy has the machine: what it has made of it, was not seen.
  const isOthers = fault.kind === "refused" && fault.code === "stale-counter";
  return untouched(step, describeFault(fault), isOthers ? null : running);
}

function exited(what: string, end: { exitCode: number; log: string }): string {
  const how = end.exitCode === 124 ? "was over its time limit" : `exited with ${end.exitCode}`;
  return `${what} ${how}${end.log === "" ? "" : `\n${end.log}`}`;
}

function said(parts: DeployParts, log: string): void {
  for (const line of log.split("\n")) if (line !== "") parts.say(line);
}

/** Takes a cut link up again, for as long as is worth it here. */
async function tried<T>(
  parts: DeployParts,
  ask: () => Promise<Reply<T>>,
  until = linkUntil(parts),
): Promise<Reply<T>> {
  return await again(ask, parts.clock, until, parts.signal);
}

const linkUntil = ({ clock, work }: DeployParts): number =>
  clock.now() + CONNECTS * work.limits.connectSeconds * 1_000;
const ended = (outcome: MachineOutcome): Prepared => ({ kind: "ended", outcome });
