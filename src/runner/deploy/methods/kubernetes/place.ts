import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import type { DeployWork } from "../../../../protocol/machine.ts";
import type { Isolation } from "../../../isolation/index.ts";
import { INSIDE } from "../../../isolation/layout.ts";
import { describeLaunch, ended, text } from "../../../nix/launch.ts";
import { workspaceOf } from "../../../nix/workspace.ts";
import { Output } from "../output.ts";
import type { LayOut } from "../place.ts";
import type { OpenedPlace } from "./cluster.ts";
import type { ClusterPlace } from "./program.ts";

export interface ClusterPlaceRequest {
  readonly work: DeployWork;
  readonly isolation: Isolation;
  /** A folder of the operator's with tools, before all others on their PATH. */
  readonly toolFolder: string | null;
  readonly layOut: LayOut;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Milliseconds for writing a file. */
const OWN_MS = 120_000;
const MAX_STDOUT = 16 * 1_024 * 1_024;
/** Arguments: path and mode of a file that stdin holds. */
const WRITE = 'umask 077; mkdir -p -- "$(dirname -- "$1")" && cat > "$1" && chmod "$2" "$1"';

/**
 * A job of its own for what the repository says about a cluster: of the network it has the gate, and what every job has.
 * @param reach host and port of the gate.
 */
export async function openClusterPlace(
  { work, isolation, toolFolder, layOut, say, signal }: ClusterPlaceRequest,
  reach: string,
): Promise<OpenedPlace> {
  const nobody = await answersNobody();
  const job = await isolation
    .openJob(`${work.machine.name}, ${work.method}`, { reach, socket: nobody.socket })
    .catch(async (error: unknown) => {
      await nobody.close();
      throw error;
    });
  const close = async (): Promise<void> => {
    await job.dispose();
    await nobody.close();
  };
  try {
    const workspace = workspaceOf(job);
    const laid = await layOut(workspace);
    if (laid.kind === "refused") {
      await close();
      return laid;
    }
    const inherited = isolation.environment["PATH"] ?? "/usr/bin:/bin";
    const base = {
      PATH: toolFolder === null ? inherited : `${toolFolder}:${inherited}`,
      GIT_TERMINAL_PROMPT: "0",
      NIX_CONFIG: "extra-experimental-features = nix-command flakes",
    };
    const place: ClusterPlace = {
      tree: laid.tree,
      scratch: posix.join(job.inside, "scratch"),
      async write(path, content, mode = 0o600) {
        const end = await workspace.launch({
          argv: ["sh", "-c", WRITE, "sh", path, mode.toString(8)],
          network: "none",
          input: content,
          timeoutMs: OWN_MS,
        });
        if (!ended(end)) throw new Error(`${path} was not written: ${describeLaunch(end)}`);
      },
      async run(argv, { cwd = laid.tree, env, timeoutSeconds, stdin, quiet = false }) {
        const output = new Output(say);
        const result = await workspace.launch({
          argv,
          cwd,
          env: { ...base, ...env },
          network: "proxy",
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
    };
    const proxy = isolation.kind === "isolated" ? `http://127.0.0.1:${INSIDE.proxyPort}` : null;
    return { kind: "open", place, proxy, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A job's own way has a socket beside the address, for an agent of keys. A cluster's has no keys. */
async function answersNobody(): Promise<{ socket: string; close: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "snowcat-nobody-"));
  const socket = join(folder, "socket");
  const server = createServer((connection) => connection.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, resolve);
  });
  return {
    socket,
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      await rm(folder, { recursive: true, force: true });
    },
  };
}
