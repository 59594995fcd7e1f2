import { posix } from "node:path";
import { PassThrough } from "node:stream";
import type { DeployWork } from "../../../protocol/machine.ts";
import type { Clock } from "../../agent/clock.ts";
import type { IsolatedJob, Isolation } from "../../isolation/index.ts";
import type { Machine } from "../../machine/index.ts";
import { knownHost } from "../../machine/index.ts";
import { describeLaunch, ended, text, type Workspace } from "../../nix/launch.ts";
import { workspaceOf } from "../../nix/workspace.ts";
import { describeEnd, type Environment, start, succeeded } from "../../process/index.ts";
import type { PolicyMachine } from "../policy/policy.ts";
import type { SecretFile } from "../secrets.ts";
import type { MethodPlace, ToolRun } from "./method.ts";
import { Output } from "./output.ts";
import { type KeyAgent, startKeyAgent } from "./way.ts";
import { sshWrapper } from "./wrapper.ts";

/** The commit's files in a job's own directory, or why they are not there. */
export type LayOut = (
  workspace: Workspace,
) => Promise<{ kind: "tree"; tree: string } | { kind: "refused"; why: string }>;

export interface PlaceRequest {
  readonly work: DeployWork;
  readonly policy: PolicyMachine;
  readonly machine: Pick<Machine, "digest" | "check" | "observe">;
  readonly isolation: Isolation;
  /** A folder of the operator's with tools, before all others on their PATH. */
  readonly toolFolder: string | null;
  /** To find OpenSSH by, outside of the job. */
  readonly env: Environment;
  readonly layOut: LayOut;
  /** Files that the tool may read and nobody else: the operator's secrets for this deploy. */
  readonly secrets?: readonly SecretFile[];
  readonly clock: Clock;
  readonly say: (line: string) => void;
  readonly mask: (secret: string) => void;
  readonly signal: AbortSignal;
}

export type OpenedPlace =
  | { kind: "open"; place: MethodPlace; close: () => Promise<void> }
  | { kind: "refused"; why: string };

/** Milliseconds for what the place does for itself: writing a file, copying a folder. */
const OWN_MS = 120_000;
/** Bytes of a tool's stdout that are kept for its method. */
const MAX_STDOUT = 16 * 1_024 * 1_024;

/** A job of its own with the checkout and the way to one machine. `close` it whatever came of it. */
export async function openPlace(request: PlaceRequest): Promise<OpenedPlace> {
  const { work, policy, isolation, env } = request;
  const { tool } = work;
  if (tool === null) throw new Error(`${work.method} has no tool to make a place for`);
  const keys = await startKeyAgent(policy, env);
  let job: IsolatedJob | null = null;
  const close = async (): Promise<void> => {
    await Promise.all([job?.dispose(), keys.close()]);
  };
  try {
    const { address, port } = policy;
    job = await isolation.openJob(`${work.machine.name}, ${tool.kind}`, {
      reach: `${address.includes(":") ? `[${address}]` : address}:${port}`,
      socket: keys.socket,
    });
    const workspace = workspaceOf(job);
    const laid = await request.layOut(workspace);
    if (laid.kind === "refused") {
      await close();
      return laid;
    }
    return { kind: "open", place: await furnish(request, job, workspace, keys, laid.tree), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function furnish(
  {
    work,
    policy,
    machine,
    isolation,
    toolFolder,
    secrets = [],
    clock,
    say,
    mask,
    signal,
  }: PlaceRequest,
  job: IsolatedJob,
  workspace: Workspace,
  keys: KeyAgent,
  tree: string,
): Promise<MethodPlace> {
  const { tool } = work;
  if (tool === null) throw new Error(`${work.method} has no tool`);
  const scratch = posix.join(job.inside, "scratch");
  const folder = posix.join(job.inside, "way");
  const own = async (argv: readonly [string, ...string[]], input: Input): Promise<void> => {
    const end = await workspace.launch({ argv, network: "none", input, timeoutMs: OWN_MS });
    if (!ended(end))
      throw new Error(`${argv.join(" ")}: ${describeLaunch(end)}: ${text(end.stderr).trim()}`);
  };
  const write = async (path: string, content: Uint8Array | string, mode = 0o644): Promise<void> =>
    await own(["sh", "-c", WRITE, "sh", path, mode.toString(8)], content);
  const within = (path: string): string => {
    const plain = posix.normalize(path);
    if ([tree, scratch].some((root) => plain === root || plain.startsWith(`${root}/`)))
      return plain;
    throw new Error(`${path} lies neither in the tree nor in the scratch folder of the place`);
  };

  const inherited = isolation.environment["PATH"] ?? "/usr/bin:/bin";
  const path = toolFolder === null ? inherited : `${toolFolder}:${inherited}`;
  const agentSocket = job.agentSocket ?? keys.socket;
  const knownHosts = posix.join(folder, "known_hosts");
  const publicKey = posix.join(folder, "key.pub");
  const wrapper = sshWrapper({
    machine: policy,
    connectSeconds: work.limits.connectSeconds,
    knownHosts,
    publicKey,
    agentSocket,
    connect: job.connect,
    path,
  });
  const config = posix.join(folder, "config");
  const command = posix.join(folder, "bin/ssh");
  await write(knownHosts, knownHost(policy.hostKey), 0o600);
  await write(publicKey, keys.publicKey, 0o600);
  await write(config, wrapper.config, 0o600);
  await write(command, wrapper.script, 0o755);
  await own(["mkdir", "-p", scratch], "");

  const named = secrets.flatMap(({ name, variable }) =>
    variable === undefined ? [] : [[variable, posix.join(workspace.secrets, name)] as const],
  );
  const base = {
    // First: none of them can take the place of what every tool has.
    ...Object.fromEntries(named),
    PATH: `${posix.join(folder, "bin")}:${path}`,
    SSH_AUTH_SOCK: agentSocket,
    SSH_ASKPASS_REQUIRE: "never",
    GIT_TERMINAL_PROMPT: "0",
    NIX_CONFIG: "extra-experimental-features = nix-command flakes",
    ...(secrets.length === 0 ? {} : { SNOWCAT_SECRETS: workspace.secrets }),
  };
  return {
    work,
    tool,
    system: work.action.kind === "system" ? work.action.system : null,
    tree,
    scratch,
    policy,
    ssh: {
      command,
      config,
      options: wrapper.options.flatMap((option) => ["-o", option]),
      host: policy.address,
      user: policy.user,
      port: policy.port,
    },
    async run(argv, { cwd = tree, env, timeoutSeconds, stdin, quiet = false }: ToolRun) {
      const output = new Output(say);
      const result = await workspace.launch({
        // Where HOME is the sandbox's own, an ssh that is not taken from PATH finds the way too.
        argv: isolation.kind === "isolated" ? ["sh", "-c", AT_HOME, config, ...argv] : argv,
        cwd,
        env: { ...base, ...env },
        network: "proxy",
        files: secrets.map(({ name, content }) => ({ name, content })),
        ...(stdin === undefined ? {} : { input: stdin }),
        timeoutMs: timeoutSeconds * 1_000,
        signal,
        maxOutput: MAX_STDOUT,
        onStdout: (chunk) => {
          if (!quiet) output.take("stdout", chunk);
        },
        onStderr: (chunk) => output.take("stderr", chunk),
      });
      const log = output.end();
      const why =
        result.startFailure === null ? "" : `${argv[0]} could not start: ${result.startFailure}`;
      return {
        exitCode: result.timedOut || result.cancelled ? null : result.exitCode,
        timedOut: result.timedOut,
        log: [log, why].filter((part) => part !== "").join("\n"),
        stdout: text(result.stdout),
      };
    },
    write: async (file, content, mode) => await write(within(file), content, mode),
    bring: async (from, to) => await bring(from, within(to), own),
    machine,
    clock,
    say,
    mask,
    signal,
  };
}

type Input = string | Uint8Array | AsyncIterable<Uint8Array>;

/** Arguments: path and mode of a file that stdin holds. */
const WRITE = 'umask 077; mkdir -p -- "$(dirname -- "$1")" && cat > "$1" && chmod "$2" "$1"';
/** `$0` is a configuration for ssh; the program and its arguments follow. */
const AT_HOME =
  'mkdir -p -m 700 /home/.ssh && cp -- "$0" /home/.ssh/config && chmod 600 /home/.ssh/config && exec "$@"';

async function bring(
  from: string,
  to: string,
  own: (argv: readonly [string, ...string[]], input: Input) => Promise<void>,
): Promise<void> {
  const reading = start(["tar", "-C", from, "-c", "."], {
    env: { PATH: "/usr/bin:/bin:/run/current-system/sw/bin" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (reading.stdout === null) throw new Error(`${from} cannot be read`);
  // What nobody reads at once is let go, and the other end takes a while to begin.
  const archive = reading.stdout.pipe(new PassThrough());
  await own(
    ["sh", "-c", 'mkdir -p -- "$1" && tar -C "$1" --no-same-owner -xf -', "sh", to],
    archive,
  );
  const end = await reading.ended;
  if (!succeeded(end)) throw new Error(`${from} could not be read: tar ${describeEnd(end)}`);
}
