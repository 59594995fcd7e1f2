import { createHash } from "node:crypto";
import { chmod, chown, mkdir, open, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { RunningProcess } from "../process/index.ts";
import { describeEnd, start } from "../process/index.ts";
import { accounts } from "./accounts.ts";
import { type Builds, openBuilds } from "./builds/index.ts";
import { listening, DAEMON_SOCKET, startDaemon } from "./daemon.ts";
import type { Descriptor, Report } from "./descriptor.ts";
import { DESCRIPTOR_VARIABLE, Start } from "./descriptor.ts";
import { type Cgroups, openCgroups } from "./launcher/cgroup.ts";
import { startLauncher } from "./launcher/launcher.ts";
import type { Layout } from "./layout.ts";
import { layout } from "./layout.ts";
import type { Self } from "./self.ts";
import { selfCommand } from "./self.ts";
import {
  checkHostStore,
  makeRoots,
  mountPrivateStore,
  must,
  ROOT_PATH,
  writeConfiguration,
  rootsFolder,
} from "./store.ts";

/** The descriptor on which the supervisor speaks and is spoken to. */
export const CONTROL_FD = 3;

/**
 * Inside the private mount and pid namespaces, as root: makes the store, starts egress proxy,
 * nix-daemon, helper and agent. When this process ends, the pid namespace and all in it end too.
 */
export async function innerCommand(): Promise<never> {
  const control = new Socket({
    fd: CONTROL_FD,
    readable: true,
    writable: true,
    allowHalfOpen: true,
  });
  const report = (line: Report): Promise<void> =>
    new Promise((resolve) => control.write(`${JSON.stringify(line)}\n`, () => resolve()));
  const lines = createInterface({ input: control })[Symbol.asyncIterator]();
  try {
    const first = await lines.next();
    const request = Start.parse(JSON.parse(String(first.value)));
    const { agent, close } = await bringUp(request, report);
    // Anything more from the supervisor, its end included, means stop.
    const told = lines.next().then(() => "stop" as const);
    const signalled = new Promise<"stop">((resolve) => {
      for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve("stop"));
    });
    const agentEnd = agent?.ended.then(() => "agent" as const) ?? new Promise<never>(() => {});
    if ((await Promise.race([told, signalled, agentEnd])) === "stop") agent?.terminate();
    const end = await agent?.ended;
    await close();
    await report({ kind: "agent-exited", exitCode: end?.exitCode ?? (end ? 1 : 0) });
    process.exit(0);
  } catch (error) {
    await report({
      kind: "failed",
      reason: error instanceof Error ? error.message : String(error),
    });
    process.exit(1);
  }
}

async function bringUp(
  request: Start,
  report: (line: Report) => Promise<void>,
): Promise<{ agent: RunningProcess | null; close: () => Promise<void> }> {
  const { config } = request;
  const paths = layout(config.stateDirectory);
  const plan = accounts(config);
  const log = (line: string): void =>
    void process.stderr.write(`${JSON.stringify({ isolation: line })}\n`);
  let closing = false;
  const fatal = (what: string, running: RunningProcess): void => {
    void running.ended.then(async (end) => {
      if (closing) return;
      await report({ kind: "failed", reason: `${what} ${describeEnd(end)}` });
      process.exit(1);
    });
  };
  await rm(paths.builds, { recursive: true, force: true });
  await makeDirectories(paths, plan.agent, plan.egress);
  await writeConfiguration(paths, plan, config);
  const self = await bindSelf(request.self, paths);
  if (config.store === "private") await mountPrivateStore(paths, plan, config.nixFolder);
  else await checkHostStore(config.nixFolder);
  const roots = rootsFolder(paths, config.store);
  await makeRoots(roots, plan);

  // Sockets of an earlier, killed supervisor would look like an answer.
  await rm(paths.egressSocket, { force: true });
  const egress = startEgress(paths.egressSocket, plan.egress, self, config.egress);
  await listening(paths.egressSocket, egress.ended);
  fatal("the egress proxy", egress);
  const cgroups: Cgroups =
    config.cgroups === "off"
      ? { kind: "none", reason: "switched off by the configuration" }
      : await openCgroups(
          `snowcat-${createHash("sha256").update(paths.root).digest("hex").slice(0, 12)}`,
        );
  let builds: Builds | null = null;
  if (config.store === "private") {
    await rm(DAEMON_SOCKET, { force: true });
    builds = await openBuilds({ paths, plan, limits: config.builds, cgroups, log });
    const daemon = startDaemon(
      paths,
      self,
      config.nixFolder,
      builds,
      (line) => void process.stderr.write(`${line}\n`),
    );
    await listening(DAEMON_SOCKET, daemon.ended);
    fatal("nix-daemon", daemon);
  }
  const launcher = await startLauncher({
    paths,
    plan,
    self: request.self,
    readOnlyPaths: config.readOnlyPaths,
    nixFolder: config.nixFolder,
    cgroups,
    startEgress: async (socket, reach) => {
      const own = startEgress(socket, plan.egress, self, [...config.egress, reach]);
      await listening(socket, own.ended);
      return own;
    },
    onLog: log,
  });
  const descriptor: Descriptor = {
    launcherSocket: paths.launcherSocket,
    storeRoot: config.store === "private" ? paths.storeRoot : null,
    store: config.store,
    nixFolder: config.nixFolder,
    roots,
    stateDirectory: paths.root,
    agentUid: plan.agent,
    agentDirectory: paths.agent,
    limits: launcher.limits,
    builds: builds?.describe ?? "whatever the host's daemon sets",
    endings: builds && paths.endings,
    egress: config.egress,
    ways: paths.ways,
  };
  const agent = request.agent ? startAgent(request.agent, descriptor, plan.agent, self) : null;
  await report({ kind: "ready", descriptor });
  const close = async (): Promise<void> => {
    closing = true;
    await launcher.close();
    await builds?.close();
    if (cgroups.kind !== "none") await cgroups.close();
  };
  return { agent, close };
}

async function makeDirectories(paths: Layout, agent: number, egress: number): Promise<void> {
  for (const [path, owner, mode] of [
    [paths.root, 0, 0o711],
    [paths.storeRoot, 0, 0o700],
    [join(paths.root, "run"), 0, 0o711],
    [paths.jobs, 0, 0o711],
    [paths.builds, 0, 0o711],
    [paths.egressDirectory, egress, 0o711],
    [paths.agent, agent, 0o700],
    [paths.ways, agent, 0o711],
    [paths.self, 0, 0o755],
  ] as const) {
    await mkdir(path, { recursive: true });
    await chown(path, owner, owner);
    await chmod(path, mode);
  }
}

/**
 * Binds this program into the state directory, here only: the copy started as another user is
 * readable wherever the original lies (a checkout in root's home, for example).
 */
async function bindSelf(self: Self, paths: Layout): Promise<Self> {
  const node = join(paths.self, "node");
  await (await open(node, "a")).close();
  await must(["mount", "--bind", self.node, node]);
  const root = join(paths.self, self.kind === "source" ? "source" : "snowcat.mjs");
  if (self.kind === "source") await mkdir(root, { recursive: true });
  else await (await open(root, "a")).close();
  await must(["mount", "--bind", self.root, root]);
  return { ...self, node, root };
}

function startEgress(
  socket: string,
  uid: number,
  self: Self,
  patterns: readonly string[],
): RunningProcess {
  return start(
    ["setpriv", ...dropTo(uid), ...selfCommand(self, "isolation-egress", [socket, ...patterns])],
    {
      cwd: "/",
      env: { PATH: ROOT_PATH },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
}

function startAgent(
  agent: NonNullable<Start["agent"]>,
  descriptor: Descriptor,
  uid: number,
  self: Self,
): RunningProcess {
  const [program, ...rest] = agent.argv;
  if (program === undefined) throw new Error("the agent's command is empty");
  const argv = agent.program
    ? [program, ...rest]
    : selfCommand(
        { ...self, entry: self.kind === "source" ? agent.sourceEntry : "" },
        program,
        rest,
      );
  return start(["setpriv", ...dropTo(uid), ...argv], {
    cwd: descriptor.agentDirectory,
    env: {
      PATH: ROOT_PATH,
      HOME: descriptor.agentDirectory,
      ...agent.env,
      [DESCRIPTOR_VARIABLE]: JSON.stringify(descriptor),
    },
    stdio: ["ignore", "inherit", "inherit"],
  });
}

function dropTo(uid: number): string[] {
  return [
    "--reuid",
    String(uid),
    "--regid",
    String(uid),
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
    "--pdeathsig",
    "KILL",
    "--",
  ];
}
