/**
 * Records what each version of Nix here says about each failure, through the daemon and without:
 * `SNOWCAT_NIX= node test/runner/nix/failures/main.ts [case…]`, as root, with the project's own Node.
 * The versions are those that `npm run test:slow` fetches. Writes `recorded/<case>.json`.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { metadata } from "../../../../src/runner/nix/evaluate/metadata.ts";
import { realise } from "../../../../src/runner/nix/build/batch.ts";
import type { LaunchResult, Workspace } from "../../../../src/runner/nix/launch.ts";
import { ended, text } from "../../../../src/runner/nix/launch.ts";
import type { NixInstall } from "../../../support/nix-versions.ts";
import { nixInstalls } from "../../../support/nix-versions.ts";
import { descendants } from "../../isolation/support.ts";
import type { FailureCase } from "./cases.ts";
import { CASES } from "./cases.ts";
import type { Place } from "./place.ts";
import { daemonPlace, directPlace } from "./place.ts";
import type { RecordedFailure, Recording } from "./recording.ts";
import { readRecorded, RECORDED } from "./recording.ts";
import type { FailingServer } from "./server.ts";
import { failingServer } from "./server.ts";

const GENEROUS = { buildSeconds: 60, silentSeconds: 60 };
/** Address space of an evaluator that is to run out of it (bytes). */
const LITTLE = 1_500_000_000;
const STORE_BYTES = 24_000_000;

/** Where no daemon listens, and what is no store. */
const STORES: Partial<Record<NonNullable<FailureCase["meanwhile"]>, string>> = {
  "no-daemon": "unix:///nix/var/nix/daemon-socket/nobody",
  "unknown-store": "nowhere://",
};

/** Cases after which a place is no good for others. */
const SPOILT: ReadonlySet<FailureCase["meanwhile"]> = new Set([
  "full-store",
  "corrupt-store",
  "daemon-killed",
]);

const wanted = process.argv.slice(2);
const installs = await nixInstalls();
const server = await failingServer();
await mkdir(RECORDED, { recursive: true });
const recorded = await readRecorded();
try {
  for (const nix of installs) {
    for (const through of ["daemon", "direct"] as const) await recordAll(nix, through);
  }
} finally {
  server.close();
}

/** Puts it among those of other versions and ways. */
async function keep(name: string, one: FailureCase, recording: Recording): Promise<void> {
  const isOther = ({ nix, through }: Recording): boolean =>
    nix !== recording.nix || through !== recording.through;
  const failure: RecordedFailure = {
    reading: one.reading,
    expected: one.expected,
    fixedOutput: one.fixedOutput ?? false,
    memoryRanOut: one.memoryRanOut ?? false,
    limits: one.limits ?? GENEROUS,
    recordings: [...(recorded.get(name)?.recordings ?? []).filter(isOther), recording],
  };
  recorded.set(name, failure);
  await writeFile(join(RECORDED, `${name}.json`), `${JSON.stringify(failure, null, 1)}\n`);
}

async function recordAll(nix: NixInstall, through: "daemon" | "direct"): Promise<void> {
  /** Cases with the same settings share a place. */
  const places = new Map<string, Place>();
  try {
    for (const [name, one] of Object.entries(CASES)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      if ((one.only ?? through) !== through) continue;
      // What is evaluated is the same text either way.
      if (one.reading !== "build" && through !== "daemon") continue;
      const key = JSON.stringify([one.settings ?? {}, SPOILT.has(one.meanwhile) && name]);
      const place = places.get(key) ?? (await placeFor(nix, through, one));
      places.set(key, place);
      const recording = await record(name, one, place, nix);
      if (recording === null) {
        console.log(`${nix.number} ${through} ${name}: DID NOT FAIL`);
        continue;
      }
      console.log(`${nix.number} ${through} ${name}: ${recording.lines.length} lines`);
      await keep(name, one, recording);
    }
  } finally {
    for (const place of places.values()) await place.close();
  }
}

function placeFor(nix: NixInstall, through: "daemon" | "direct", one: FailureCase): Promise<Place> {
  const settings = {
    // Nix asks again by itself, for minutes.
    "download-attempts": "1",
    "connect-timeout": "5",
    ...JSON.parse(JSON.stringify(one.settings ?? {}).replaceAll("PORT", String(server.port))),
  } as Record<string, string>;
  return through === "daemon"
    ? daemonPlace(nix, server.port, settings)
    : directPlace(nix, settings, one.meanwhile === "full-store" ? STORE_BYTES : null);
}

/** @returns null when it did not fail */
async function record(
  name: string,
  one: FailureCase,
  { workspace, through }: Place,
  { number: nix }: NixInstall,
): Promise<Recording | null> {
  const drvs = one.drvs === undefined ? null : await instantiate(workspace, one.drvs, server);
  if (one.meanwhile === "built-before")
    await workspace.launch({
      argv: ["nix-store", "--realise", drvs?.subject ?? ""],
      network: "none",
    });
  if (one.meanwhile === "corrupt-store")
    await workspace.launch({ argv: ["sh", "-c", ": > /nix/var/nix/db/schema"], network: "none" });
  const store = one.meanwhile === undefined ? undefined : STORES[one.meanwhile];
  let lines: [number, string][] = [];
  let result: LaunchResult | null = null;
  const heard: Workspace = {
    ...workspace,
    async launch(request) {
      const began = performance.now();
      const now: [number, string][] = [];
      let left = "";
      let first = true;
      const [program, verb = "", ...rest] = request.argv;
      const launched = await workspace.launch({
        ...request,
        argv:
          one.reading === "build" ? [program, verb, ...(one.options ?? []), ...rest] : request.argv,
        env: { ...request.env, ...(store === undefined ? {} : { NIX_REMOTE: store }) },
        onStderr(chunk) {
          request.onStderr?.(chunk);
          left += text(chunk);
          const whole = left.split("\n");
          left = whole.pop() ?? "";
          for (const line of whole) now.push([Math.round(performance.now() - began), line]);
          if (first && /"fields":\["here"\]/u.test(text(chunk))) {
            first = false;
            void disturb(one);
          }
        },
      });
      if (left !== "") now.push([Math.round(performance.now() - began), left]);
      if (one.reading === "build" || isAbout(one, request.argv)) [lines, result] = [now, launched];
      return launched;
    },
  };
  if (one.reading === "build") await realiseIn(heard, drvs?.all ?? [], one);
  else await evaluateIn(heard, name, one);
  const last = result as LaunchResult | null;
  if (last === null || ended(last)) return null;
  return {
    nix,
    through,
    exitCode: last.exitCode,
    signal: last.signal,
    drvs: drvs?.all ?? [],
    subject: drvs?.subject ?? null,
    lines: lines.filter(([, line]) => isTelling(line)),
  };
}

function isAbout(one: FailureCase, argv: readonly string[]): boolean {
  return argv.includes(one.reading === "inputs" ? "metadata" : "eval");
}

/** Builds it as the runner does. */
async function realiseIn(workspace: Workspace, drvs: string[], one: FailureCase): Promise<void> {
  await realise({
    workspace,
    drvs,
    jobs: 1,
    limits: one.limits ?? GENEROUS,
    oomKills: async () => 0,
    signal: new AbortController().signal,
    now: () => performance.now(),
    onLine: () => {},
    onNotice: () => {},
  });
}

async function evaluateIn(workspace: Workspace, name: string, one: FailureCase): Promise<void> {
  const tree = `${workspace.directory}/${name}`;
  const files = Object.entries(one.flake ?? {});
  for (const [path, content] of files)
    await workspace.launch({
      argv: ["sh", "-c", 'mkdir -p "$1" && cat > "$1/$2"', "sh", tree, path],
      input: content.replaceAll("PORT", String(server.port)),
      network: "none",
    });
  if (one.reading === "inputs") {
    await metadata({
      workspace,
      tree,
      directory: ".",
      revision: null,
      // 2.34 waits for a minute and more when a host asks to.
      timeoutMs: 300_000,
      memoryBytes: 8 * 1_024 ** 3,
      step: async () => ({ env: {}, files: [], around: (argv) => argv }),
      signal: new AbortController().signal,
    });
    return;
  }
  const [fragment = "#x", ...more] = one.options ?? [];
  await workspace.launch({
    argv: [
      "prlimit",
      ...(one.expected === "out-of-memory" ? [`--as=${LITTLE}`] : []),
      "nix",
      "eval",
      "--show-trace",
      "--log-format",
      "internal-json",
      "--no-write-lock-file",
      "--option",
      "accept-flake-config",
      "false",
      "--option",
      "allow-import-from-derivation",
      "false",
      `path:${tree}${fragment}`,
      ...more,
    ],
    network: "proxy",
    timeoutMs: 120_000,
  });
}

async function instantiate(
  workspace: Workspace,
  set: string,
  from: FailingServer,
): Promise<{ all: string[]; subject: string }> {
  const expression = `let
    port = "${from.port}";
    mk = name: script: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; } // more);
  in builtins.mapAttrs (name: d: [ d.drvPath d.outPath ]) (${set})`;
  const result = await workspace.launch({
    argv: ["nix", "eval", "--json", "--impure", "--expr", expression],
    network: "none",
  });
  if (!ended(result)) throw new Error(`${set}: ${text(result.stderr)}`);
  const paths = JSON.parse(text(result.stdout)) as Record<string, [string, string]>;
  from.cached = paths["subject"]?.[1] ?? "";
  return { all: Object.values(paths).map(([drv]) => drv), subject: paths["subject"]?.[0] ?? "" };
}

/** The builder has said "here". Only processes below this one are looked at. */
async function disturb(one: FailureCase): Promise<void> {
  const below = await descendants(process.pid);
  if (one.meanwhile === "builder-killed") {
    const builder = below.find(({ command }) => /^\S*sh\0-c\0echo here/u.test(command));
    if (builder !== undefined) process.kill(builder.pid, "SIGKILL");
  }
  if (one.meanwhile === "daemon-killed") {
    const daemons = below.filter(({ command }) => command.startsWith("nix-daemon"));
    // The one that serves our connection, not the one that listens.
    const serving = daemons.filter(({ parent }) => daemons.some(({ pid }) => pid === parent));
    for (const { pid } of serving) process.kill(pid, "SIGKILL");
  }
}

/** Without what Nix tells about its own progress: messages, the builds and what they print, and all that is not a record. */
function isTelling(line: string): boolean {
  if (!line.startsWith("@nix {")) return line.trim() !== "";
  let record: { action?: string; level?: number; type?: number };
  try {
    record = JSON.parse(line.slice("@nix ".length)) as typeof record;
  } catch {
    return true;
  }
  if (record.action === "msg") return (record.level ?? 0) <= 1;
  if (record.action === "start") return record.type === 104 || record.type === 105;
  if (record.action === "result") return record.type === 101 || record.type === 105;
  return record.action === "stop";
}
