import { realise } from "../../../../src/runner/nix/build/batch.ts";
import { fetchCause } from "../../../../src/runner/nix/build/fetch.ts";
import type { Cause } from "../../../../src/runner/nix/build/failure.ts";
import { outcome, unexplainedCause } from "../../../../src/runner/nix/build/outcome.ts";
import { metadata } from "../../../../src/runner/nix/evaluate/metadata.ts";
import { walk } from "../../../../src/runner/nix/evaluate/walk.ts";
import type { LaunchResult, Workspace } from "../../../../src/runner/nix/launch.ts";
import { explainFetch } from "../../../../src/runner/source/inputs/explain.ts";
import { NO_ACCESS } from "../../../../src/runner/source/inputs/access.ts";
import { NO_STORE } from "../no-store.ts";
import type { RecordedFailure, Recording } from "./recording.ts";

const known = new WeakMap<Recording, Promise<string>>();

/** What the runner makes of a recording: its own readers, with Nix's words in place of Nix. */
export async function classified(failure: RecordedFailure, recording: Recording): Promise<string> {
  const before = known.get(recording) ?? classify(failure, recording);
  known.set(recording, before);
  return await before;
}

async function classify(failure: RecordedFailure, recording: Recording): Promise<string> {
  switch (failure.reading) {
    case "build":
      return (await causeOf(failure, recording)).kind;
    case "evaluation":
      return await evaluated(recording);
    case "inputs":
      return await read(recording);
  }
}

const NEVER = new AbortController().signal;

/** Of a build; `dependency-failed`: nothing is said of it, another is blamed. */
export async function causeOf(
  failure: RecordedFailure,
  recording: Recording,
): Promise<Cause | { kind: "dependency-failed" }> {
  const { drvs, subject } = recording;
  if (subject === null) throw new Error("a build is about a derivation");
  let clock = 0;
  let kills = 0;
  const end = await realise({
    workspace: replaying(recording, (ms) => (clock = ms)),
    drvs,
    jobs: 1,
    limits: failure.limits,
    oomKills: async () => (failure.memoryRanOut ? kills++ : 0),
    signal: NEVER,
    now: () => clock,
    onLine: () => {},
    onNotice: () => {},
  });
  const { failed, unexplained } = outcome(
    end,
    drvs,
    () => true,
    // Where one was recorded, the machine did lack it.
    () => true,
  );
  const cause = failed.get(subject);
  if (cause === undefined)
    return unexplained.includes(subject) ? unexplainedCause(end) : { kind: "dependency-failed" };
  const printed = end.watch.builds.get(subject)?.tail.toString() ?? "";
  const said = cause.kind === "failed" ? (cause.said ?? "") : "";
  const node = {
    drv: subject,
    name: "subject",
    system: "x86_64-linux",
    features: [],
    fixedOutput: failure.fixedOutput,
    outputs: new Map(),
    inputs: new Map(),
  };
  return fetchCause(node, cause, `${printed}\n${said}`);
}

async function evaluated(recording: Recording): Promise<string> {
  const end = await walk(
    {
      workspace: replaying(recording),
      root: { outputs: "{ }", source: "null" },
      arguments: [],
      network: "proxy",
      memoryBytes: 2 ** 30,
      signal: NEVER,
      onWarning: () => {},
      onPeak: () => {},
    },
    { mode: "walk", kinds: [], units: [], skip: {}, calls: false, args: {}, depth: 8 },
    60_000,
    () => {},
  );
  if (end.kind !== "error") return end.kind;
  return end.unread ? "unread" : "evaluation-error";
}

async function read(recording: Recording): Promise<string> {
  const end = await metadata({
    workspace: replaying(recording),
    tree: "/job/tree",
    directory: ".",
    revision: null,
    timeoutMs: 60_000,
    memoryBytes: 2 ** 30,
    step: async () => ({ env: {}, files: [], around: (argv) => argv }),
    signal: NEVER,
  });
  if (end.kind !== "error") return end.kind;
  if (!end.fetching) return "evaluation-error";
  const files = { lock: null, flake: { file: "flake.nix", text: "" } };
  const explained = await explainFetch(end, files, NO_ACCESS);
  return explained.kind === "error" ? "evaluation-error" : explained.kind;
}

/** Programs that print what was recorded. What else is asked on the way (the tree's place in the store) fails. */
function replaying(recording: Recording, at: (ms: number) => void = () => {}): Workspace {
  return {
    directory: "/job",
    secrets: "/run/secrets",
    endings: async () => new Map(),
    store: NO_STORE,
    async launch(request) {
      const aside = request.argv[0] === "sh" || request.argv.includes("--raw");
      if (!aside) {
        for (const [ms, line] of recording.lines) {
          at(ms);
          request.onStderr?.(new TextEncoder().encode(`${line}\n`));
        }
      }
      return { ...ENDED, exitCode: aside ? 1 : recording.exitCode, signal: recording.signal };
    },
  };
}

const ENDED: LaunchResult = {
  exitCode: null,
  signal: null,
  durationMs: 0,
  timedOut: false,
  cancelled: false,
  outOfMemory: false,
  peakBytes: null,
  startFailure: null,
  stdout: new Uint8Array(),
  stderr: new Uint8Array(),
  truncated: false,
};
