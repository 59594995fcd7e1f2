import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { NixStore } from "./nix-store.ts";
import type { NixInstall } from "./nix-versions.ts";
import { isolationWith } from "./nix-versions.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** A runner as its operator starts it: enrolled by the command line, supervised, isolated, with a store of its own. */
export type RunningRunner = {
  readonly nix: NixStore;
  readonly stateDirectory: string;
  /** What it said on standard error. */
  readonly lines: readonly string[];
  jobs(): { job: string; kind: string }[];
  /** SIGKILL of the supervisor: all of it goes. */
  kill(): Promise<void>;
  alive(): boolean;
  /** Starts it again with the state it left. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

export type RunnerInput = {
  url: string;
  name: string;
  code: string;
  slots: number;
  egress: string[];
  /** Files whose lines no output may show. */
  redactFiles?: string[];
  /** The one that SNOWCAT_NIX names unless given, else the machine's own. */
  nix?: NixInstall;
  configuration?: MoreConfiguration;
};

/** What a test decides of a runner's configuration. */
export type MoreConfiguration = {
  exchange?: { url: string; publicKeys: string[]; secretKeyFile: string };
  /** Features that it has. The control plane is told; Nix by a line of its own. */
  features?: string[];
  /** File of its own policy of machines; of the pool deploy. */
  deployPolicy?: string;
  /** Where its deploy jobs find tools, before the PATH. */
  toolFolder?: string | null;
  /** Lines of nix.conf. */
  nix?: Record<string, string>;
};

/** How long a runner may take from its start to its connection (ms). */
const CONNECTS_WITHIN = 90_000;
/** How long a runner may take to end after each signal (ms). */
const SIGNAL_GRACE = 1_000;

/** Numbers of users do not overlap between runners of one host. */
let ranges = 0;

export async function startRunner(input: RunnerInput): Promise<RunningRunner> {
  // Short, because Unix sockets lie beneath it, and outside /tmp, which the sandbox replaces.
  const stateDirectory = await mkdtemp("/var/tmp/snowcat-");
  const config = join(stateDirectory, "runner.json");
  const { nix, ...configuration } = input.configuration ?? {};
  const uidBase = 41_000 + 100 * (ranges++ % 50);
  await writeFile(
    config,
    JSON.stringify({
      url: input.url,
      name: input.name,
      slots: input.slots,
      stateDirectory,
      minimumFreeBytes: 0,
      redactFiles: input.redactFiles ?? [],
      ...configuration,
      isolation: {
        nix: nix ?? {},
        uidBase,
        jobUsers: 16,
        buildUsers: 16,
        egress: input.egress,
        ...isolationWith(input.nix),
      },
    }),
  );
  const enrol = spawn(
    process.execPath,
    [join(ROOT, "src/runner/main.ts"), "enrol", "--config", config],
    { stdio: ["pipe", "ignore", "pipe"] },
  );
  enrol.stdin.end(input.code);
  let refused = "";
  enrol.stderr.on("data", (chunk) => (refused += String(chunk)));
  const [code] = await once(enrol, "exit");
  if (code !== 0) throw new Error(`the runner could not be enrolled: ${refused}`);

  const lines: string[] = [];
  let child: ChildProcess | null = null;
  const start = async () => {
    // When this process is killed, so is the supervisor, and with it all that it started.
    const started = spawn(
      "setpriv",
      [
        "--pdeathsig",
        "KILL",
        process.execPath,
        join(ROOT, "src/runner/main.ts"),
        "runner",
        "--config",
        config,
      ],
      {
        stdio: ["ignore", "ignore", "pipe"],
        env: { PATH: process.env["PATH"] ?? "" },
      },
    );
    child = started;
    const ready = Promise.withResolvers<void>();
    createInterface({ input: started.stderr }).on("line", (line) => {
      lines.push(line);
      if (/snowcat: connected/u.test(line)) ready.resolve();
    });
    started.once("exit", (status) =>
      ready.reject(new Error(`the runner ended with ${status}:\n${lines.slice(-30).join("\n")}`)),
    );
    const late = globalThis.setTimeout(
      () => ready.reject(new Error(`the runner is not connected:\n${lines.slice(-30).join("\n")}`)),
      CONNECTS_WITHIN,
    );
    await ready.promise.finally(() => clearTimeout(late));
    started.removeAllListeners("exit");
  };
  const end = async (signal: NodeJS.Signals) => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  };
  await start();
  return {
    nix: new NixStore(join(stateDirectory, "store"), input.nix),
    stateDirectory,
    lines,
    jobs: () =>
      lines.flatMap((line) => {
        const found = /^snowcat: (\S+) attempt \d+: (evaluate|build) for /u.exec(line);
        return found === null ? [] : [{ job: found[1] as string, kind: found[2] as string }];
      }),
    alive: () => child !== null && child.exitCode === null && child.signalCode === null,
    kill: () => end("SIGKILL"),
    restart: start,
    stop: async () => {
      // Drain, cancel, end at once: each gets a moment. A killed one could not put its cgroups away.
      for (const signal of ["SIGTERM", "SIGTERM", "SIGTERM", "SIGKILL"] as const)
        await Promise.race([end(signal), setTimeout(SIGNAL_GRACE, undefined, { ref: false })]);
      await end("SIGKILL");
      await removeStore(stateDirectory);
    },
  };
}

/** A store's files are read-only; root may remove them, once nothing is mounted there any more. */
async function removeStore(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
