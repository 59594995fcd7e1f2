import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../../../src/runner/process/index.ts";
import type { LaunchResult, Workspace } from "../../../../src/runner/nix/launch.ts";
import { workspaceOf } from "../../../../src/runner/nix/workspace.ts";
import type { NixInstall } from "../../../support/nix-versions.ts";
import { environmentWith } from "../../../support/nix-versions.ts";
import { isolationForTest } from "../../isolation/support.ts";
import { NO_STORE } from "../no-store.ts";

/** A store of its own with one version of Nix, as programs use it. */
export interface Place {
  readonly through: "daemon" | "direct";
  readonly workspace: Workspace;
  close(): Promise<void>;
}

/** As a runner has it: an isolated job that speaks to nix-daemon. */
export async function daemonPlace(
  nix: NixInstall,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<Place> {
  const own = await isolationForTest(
    {
      uidBase: 59_000,
      jobUsers: 4,
      buildUsers: 4,
      egress: [`127.0.0.1:${port}`],
      nix: settings,
    },
    nix,
  );
  const job = await own.isolation.openJob("failures");
  return { through: "daemon", workspace: workspaceOf(job), close: () => own.close() };
}

/** As on a machine without a daemon: Nix as root, in a mount namespace of each program's own. */
export async function directPlace(
  nix: NixInstall,
  settings: Readonly<Record<string, string>>,
  storeBytes: number | null,
): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "snowcat-direct-"));
  const [store, conf, home] = ["nix", "conf", "home"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [store, conf, home]) await mkdir(path);
  if (storeBytes !== null)
    await must(["mount", "-t", "tmpfs", "-o", `size=${storeBytes}`, "none", store]);
  const lines = {
    "experimental-features": "nix-command flakes",
    substituters: "",
    "build-users-group": "",
    sandbox: "true",
    "sandbox-paths": "/bin/sh=/bin/busybox",
    "flake-registry": join(conf, "registry.json"),
    ...settings,
  };
  await writeFile(join(conf, "registry.json"), '{"flakes":[],"version":2}');
  await writeFile(
    join(conf, "nix.conf"),
    Object.entries(lines)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join(""),
  );
  return {
    through: "direct",
    workspace: {
      directory: folder,
      secrets: folder,
      endings: async () => new Map(),
      store: NO_STORE,
      launch: (request) =>
        launch(["unshare", "-m", "sh", "-c", INSIDE, "sh", store, ...request.argv], request, {
          ...environmentWith(nix),
          HOME: home,
          NIX_CONF_DIR: conf,
        }),
    },
    async close() {
      if (storeBytes !== null) await must(["umount", store]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Constant text: what varies is an argument. */
const INSIDE = 'mkdir -p /nix && mount --bind "$1" /nix && shift && exec "$@"';

async function must(argv: [string, ...string[]]): Promise<void> {
  const result = await run(argv, { env: { PATH: process.env.PATH ?? "" } });
  if (result.exitCode !== 0)
    throw new Error(`${argv.join(" ")}: ${new TextDecoder().decode(result.stderr)}`);
}

async function launch(
  [program = "", ...args]: string[],
  request: Parameters<Workspace["launch"]>[0],
  env: Record<string, string>,
): Promise<LaunchResult> {
  const began = performance.now();
  const child = spawn(program, args, {
    env: { ...env, ...request.env },
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  child.stdout.on("data", (chunk: Uint8Array) => out.push(chunk));
  child.stderr.on("data", (chunk: Uint8Array) => {
    err.push(chunk);
    request.onStderr?.(chunk);
  });
  const [exitCode, signal] = await new Promise<[number | null, string | null]>(
    (resolve, reject) => {
      child.once("error", reject);
      child.once("close", (...end) => resolve(end));
    },
  );
  return {
    exitCode,
    signal,
    durationMs: performance.now() - began,
    timedOut: false,
    cancelled: false,
    outOfMemory: false,
    peakBytes: null,
    startFailure: null,
    stdout: Buffer.concat(out),
    stderr: Buffer.concat(err),
    truncated: false,
  };
}
