import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import type { ProcessEnd } from "../process/index.ts";
import { describeEnd, start } from "../process/index.ts";
import type { RawIsolationConfiguration } from "./configuration.ts";
import { IsolationConfiguration } from "./configuration.ts";
import type { Descriptor, Start } from "./descriptor.ts";
import { Report } from "./descriptor.ts";
import { CONTROL_FD } from "./inner.ts";
import { checkNixFolder } from "./nix-folder.ts";
import { requirePassable } from "./passable.ts";
import { locateSelf, selfCommand } from "./self.ts";
import { ROOT_PATH } from "./store.ts";

/** The agent that is started as the unprivileged user, once isolation stands. */
export interface AgentCommand {
  /** Arguments for this program (`["runner", "--config", …]`), or a whole argv when `program` is true. */
  readonly argv: readonly string[];
  readonly program?: boolean;
  /** The command line's entry while the sources run as they are. */
  readonly sourceEntry?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Supervised {
  readonly descriptor: Descriptor;
  /** The pid of the first process of the group; killing it ends everything. */
  readonly pid: number;
  /** The agent's exit code, or why isolation ended by itself. Never rejects. */
  readonly ended: Promise<SupervisedEnd>;
  /** Stops the agent (SIGTERM, 10 s, SIGKILL) and everything else; resolves when all has gone. */
  close(): Promise<void>;
}

export type SupervisedEnd =
  | { readonly kind: "agent-exited"; readonly exitCode: number }
  | { readonly kind: "failed"; readonly reason: string };

/** The state directory belongs to another supervisor, which runs. */
export class StateDirectoryTaken extends Error {
  readonly directory: string;

  constructor(directory: string) {
    super(
      `another runner uses ${directory}: stop it, or give this one a state directory of its own`,
    );
    this.directory = directory;
  }
}

/** flock's exit code when another supervisor holds the state directory (EX_TEMPFAIL). */
const TAKEN = 75;

/**
 * A runner that was killed a moment ago lets go only when its last process has ended (s). Without an agent nobody waits:
 * a check beside another one takes the next folder.
 */
const LET_GO_WITHIN = 3;

/** Becomes pid 1 of the new namespace: a shell that waits, and so reaps what is orphaned there. */
const REAPER = '"$@"; exit $?';

/**
 * Starts the isolation as root: a mount and a pid namespace in which store, daemon, egress proxy,
 * helper and agent live. If this process dies, however, the kernel ends the whole pid namespace.
 *
 * @throws {StateDirectoryTaken} and when this is not root, a program is missing, or the host's Nix is not fit for jobs.
 */
export async function supervise(
  raw: RawIsolationConfiguration,
  agent: AgentCommand | null = null,
): Promise<Supervised> {
  const config = IsolationConfiguration.parse(raw);
  if (process.getuid?.() !== 0)
    throw new Error(
      "isolation is set up by root: start the runner as root, it drops to an unprivileged user by itself",
    );
  const self = locateSelf();
  await mkdir(config.stateDirectory, { recursive: true });
  await requirePassable(config.stateDirectory);
  await checkNixFolder(config);
  const child = start(
    [
      "setpriv",
      "--pdeathsig",
      "KILL",
      "flock",
      "--no-fork",
      "--timeout",
      String(agent === null ? 0 : LET_GO_WITHIN),
      "--conflict-exit-code",
      String(TAKEN),
      join(config.stateDirectory, "lock"),
      "unshare",
      "--mount",
      "--propagation",
      "private",
      "--pid",
      "--fork",
      "--kill-child=KILL",
      "--mount-proc",
      "sh",
      "-c",
      REAPER,
      "sh",
      ...selfCommand(self, "isolation-inner"),
    ],
    { cwd: "/", env: { PATH: ROOT_PATH }, stdio: ["ignore", "inherit", "inherit", "pipe"] },
  );
  const control = child.channels[CONTROL_FD] as Duplex;
  const request: Start = {
    config,
    self,
    agent: agent && {
      argv: [...agent.argv],
      program: agent.program ?? false,
      sourceEntry: agent.sourceEntry ?? "src/runner/cli/main.ts",
      env: { ...agent.env },
    },
  };
  control.write(`${JSON.stringify(request)}\n`);
  const next = reportReader(control);
  const first = await next();
  if (first?.kind !== "ready" || child.pid === undefined) {
    const end = await child.ended;
    if (end.exitCode === TAKEN) throw new StateDirectoryTaken(config.stateDirectory);
    throw new Error(
      `isolation did not start: ${first?.kind === "failed" ? first.reason : describeEnd(end)}`,
    );
  }
  const last = next();
  return {
    descriptor: first.descriptor,
    pid: child.pid,
    ended: last.then(async (report) => endOf(report, await child.ended)),
    async close() {
      control.end("stop\n");
      await child.ended;
    },
  };
}

/** Reads reports one by one; null when there will be none any more, for whatever reason. */
function reportReader(control: Duplex): () => Promise<Report | null> {
  const lines = createInterface({ input: control })[Symbol.asyncIterator]();
  return async () => {
    try {
      const line = await lines.next();
      return line.done ? null : Report.parse(JSON.parse(line.value));
    } catch (error) {
      // The other side has gone before it read what it was sent; its exit code says why.
      if (
        error instanceof Error &&
        "code" in error &&
        (error.code === "EPIPE" || error.code === "ECONNRESET")
      )
        return null;
      throw error;
    }
  };
}

function endOf(report: Report | null, end: ProcessEnd): SupervisedEnd {
  switch (report?.kind) {
    case "agent-exited":
    case "failed":
      return report;
    case "ready":
    case undefined:
      return { kind: "failed", reason: `the isolated part ${describeEnd(end)}` };
  }
}
