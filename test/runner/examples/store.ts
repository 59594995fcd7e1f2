import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Daemonless Nix as root, with the sandbox on: the examples themselves are on trial here, not the runner. */
const configuration = (
  registry: string,
  sandbox: boolean,
): string => `experimental-features = nix-command flakes
substituters =
build-users-group =
sandbox = ${sandbox}
sandbox-paths = /bin/sh=/bin/busybox
flake-registry = ${registry}
`;

/**
 * Runs "$@" with the folder $1 bound over /nix, whose mount point is made where there is none. Constant text: everything
 * that varies is an argument.
 */
const INSIDE = 'mkdir -p /nix && mount --bind "$1" /nix && shift && exec "$@"';

/** In place of an exit code, for a program that a signal ended: 128 and more, as shells say it. */
const KILLED = 128;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A Nix store of its own, and a folder to copy examples to. */
export interface ExampleStore extends AsyncDisposable {
  readonly folder: string;
  run(
    command: readonly string[],
    options?: { cwd?: string; env?: Record<string, string> },
  ): Promise<Ended>;
  /** Copies an example (and what is laid over it), so that a test may change it. */
  copy(...examples: string[]): Promise<string>;
}

export async function exampleStore({ sandbox = true } = {}): Promise<ExampleStore> {
  const folder = await mkdtemp(join(tmpdir(), "snowcat-examples-"));
  const [store, conf, home] = [join(folder, "nix"), join(folder, "conf"), join(folder, "home")];
  await Promise.all([store, conf, home].map(async (path) => await mkdir(path)));
  await writeFile(join(conf, "registry.json"), '{"flakes":[],"version":2}');
  await writeFile(join(conf, "nix.conf"), configuration(join(conf, "registry.json"), sandbox));
  let copies = 0;
  const opened: ExampleStore = {
    folder,
    async run([program = "", ...args], { cwd = folder, env = {} } = {}) {
      return await ended(["-m", "sh", "-c", INSIDE, "sh", store, program, ...args], {
        cwd,
        env: { PATH: process.env.PATH ?? "", HOME: home, NIX_CONF_DIR: conf, ...env },
      });
    },
    async copy(...examples) {
      copies += 1;
      const target = join(folder, `${examples[0] ?? "empty"}-${copies}`);
      for (const example of examples) {
        await cp(resolve("nix/examples", example), target, { recursive: true });
      }
      return target;
    },
    async [Symbol.asyncDispose]() {
      // Store paths are read-only, which does not stop root.
      await rm(folder, { recursive: true, force: true });
    },
  };
  // Two processes that meet an empty store can fail on its database.
  const made = await opened.run(["nix-store", "--init"]);
  if (made.code !== 0) {
    await opened[Symbol.asyncDispose]();
    throw new Error(`nix-store --init: ${made.stderr}`);
  }
  return opened;
}

async function ended(
  args: string[],
  options: { cwd: string; env: Record<string, string> },
): Promise<Ended> {
  return await new Promise((settle, reject) => {
    execFile(
      "unshare",
      args,
      { ...options, maxBuffer: 64 * 1_024 * 1_024 },
      (error, stdout, stderr) => {
        if (error && typeof error.code !== "number" && !error.signal) {
          reject(new Error(`unshare ${args.join(" ")} did not run`, { cause: error }));
          return;
        }
        const code = error ? (typeof error.code === "number" ? error.code : KILLED) : 0;
        settle({ code, stdout, stderr });
      },
    );
  });
}
