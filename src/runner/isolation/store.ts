import { createHash } from "node:crypto";
import { chmod, chown, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../process/index.ts";
import { describeEnd, run, succeeded } from "../process/index.ts";
import type { Accounts } from "./accounts.ts";
import { accountFiles, hostAccountFiles, sandboxAccountFiles } from "./accounts.ts";
import type { IsolationConfiguration } from "./configuration.ts";
import type { Layout } from "./layout.ts";
import { INSIDE } from "./layout.ts";
import { nixEnvironment } from "./nix-folder.ts";
import { EMPTY_REGISTRY, nixConfiguration, REGISTRY_FILE } from "./nix-configuration.ts";

/** Programs are looked up here only: the helper is root, and PATH is somebody else's. */
export const ROOT_PATH =
  "/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin";

/**
 * Garbage collection roots of the agent. It is the agent's own folder, so that thousands of links need neither root nor
 * a process each; all that it can do with it is to keep store paths. Nobody else sees it.
 */
export function rootsFolder(paths: Layout, store: IsolationConfiguration["store"]): string {
  const folder = "/nix/var/nix/gcroots/snowcat";
  if (store === "private") return folder;
  // Runners may share the machine's store, each as a user of its own.
  return `${folder}-${createHash("sha256").update(paths.root).digest("hex").slice(0, 12)}`;
}

/** Makes that folder, where /nix is the one that the jobs use. */
export async function makeRoots(folder: string, plan: Accounts): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  await chown(folder, plan.agent, plan.agent);
}

/** Runs a program that has to succeed, as root. */
export async function must(
  argv: readonly [string, ...string[]],
  env: Environment = {},
): Promise<string> {
  const result = await run(argv, { env: { PATH: ROOT_PATH, ...env }, timeoutMs: 60_000 });
  if (succeeded(result)) return new TextDecoder().decode(result.stdout);
  const said = new TextDecoder().decode(result.stderr).trim().slice(-500);
  throw new Error(`${argv.join(" ")} ${describeEnd(result)}${said ? `: ${said}` : ""}`);
}

/**
 * Makes the private store: `<storeRoot>/nix` over /nix, and accounts that exist here only. Runs
 * inside a mount namespace of its own, so that nothing of it is seen (or left) on the host.
 */
export async function mountPrivateStore(
  paths: Layout,
  plan: Accounts,
  nixFolder: string | null,
): Promise<void> {
  const store = join(paths.storeRoot, "nix");
  await mkdir(store, { recursive: true, mode: 0o755 });
  // An existing /nix is only covered, here; where there is none, the mountpoint has to be made.
  await mkdir("/nix", { recursive: true });
  const files = accountFiles(plan, await hostAccountFiles(plan));
  await mkdir(paths.accounts, { recursive: true, mode: 0o755 });
  for (const name of ["passwd", "group"] as const) {
    const file = join(paths.accounts, `host-${name}`);
    await writeFile(file, files[name], { mode: 0o644 });
    await must(["mount", "--bind", file, `/etc/${name}`]);
  }
  await must(["mount", "--bind", store, "/nix"]);
  // Two Nix processes that race on an empty store fail: make the database before anything else runs.
  await must(["nix-store", "--init"], {
    ...nixEnvironment(nixFolder, ROOT_PATH),
    NIX_CONF_DIR: paths.nixConfiguration,
  });
}

/** Writes nix.conf for the daemon and for jobs, and the accounts that jobs see. */
export async function writeConfiguration(
  paths: Layout,
  plan: Accounts,
  config: IsolationConfiguration,
): Promise<void> {
  for (const [directory, seenAs, own] of [
    [paths.nixConfiguration, paths.nixConfiguration, config.daemonNix],
    [paths.jobNixConfiguration, INSIDE.nixConfiguration, {}],
  ] as const) {
    const { sandboxShell, builds } = config;
    const settings = {
      sandboxShell,
      logBytes: builds.logBytes,
      settings: { ...config.nix, ...own },
    };
    await mkdir(directory, { recursive: true, mode: 0o755 });
    await writeFile(join(directory, "nix.conf"), nixConfiguration(seenAs, settings));
    await writeFile(join(directory, REGISTRY_FILE), EMPTY_REGISTRY);
  }
  await mkdir(paths.accounts, { recursive: true, mode: 0o755 });
  const seen = sandboxAccountFiles(plan);
  await writeFile(join(paths.accounts, "passwd"), seen.passwd);
  await writeFile(join(paths.accounts, "group"), seen.group);
  await writeFile(
    join(paths.accounts, "nsswitch.conf"),
    "passwd: files\ngroup: files\nhosts: files dns\n",
  );
  await writeFile(join(paths.accounts, "hosts"), "127.0.0.1 localhost\n::1 localhost\n");
}

/** In `host` mode nothing is changed: the machine's daemon must already be what a pool needs. */
export async function checkHostStore(nixFolder: string | null): Promise<void> {
  const show = (...command: string[]): Promise<string> =>
    must(
      ["nix", "--extra-experimental-features", "nix-command", ...command],
      nixEnvironment(nixFolder, ROOT_PATH),
    );
  const shown = await show("show-config").catch(() => show("config", "show"));
  const value = (name: string): string =>
    new RegExp(`^${name} = (.*)$`, "m").exec(shown)?.[1]?.trim() ?? "";
  const missing: string[] = [];
  if (value("sandbox") !== "true") missing.push("nix.conf must have sandbox = true");
  if (value("sandbox-fallback") === "true")
    missing.push("nix.conf must have sandbox-fallback = false");
  if (value("build-users-group") === "") missing.push("nix.conf must name a build-users-group");
  if (/(^|\s)(\*|@users|snowcat\S*)(\s|$)/.test(value("trusted-users")))
    missing.push("nix.conf must not make job users trusted");
  const sockets = await readdir("/nix/var/nix/daemon-socket").catch((): string[] => []);
  if (!sockets.includes("socket"))
    missing.push("nix-daemon must run (no /nix/var/nix/daemon-socket/socket)");
  if (missing.length > 0)
    throw new Error(`the host's Nix cannot be used for jobs: ${missing.join("; ")}`);
}
