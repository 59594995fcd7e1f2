import { join } from "node:path";
import type { Environment } from "../process/index.ts";
import { type BuildEnding, readEndings } from "./builds/index.ts";
import type { Descriptor } from "./descriptor.ts";
import { INSIDE } from "./layout.ts";
import { nixEnvironment } from "./nix-folder.ts";
import { openPlainJob } from "./plain.ts";
import type { Preflight } from "./preflight.ts";
import { preflight } from "./preflight.ts";
import { launcherClient } from "./sandbox.ts";
import type { IsolatedJob, JobWays, SandboxResult, SandboxRun } from "./sandbox-run.ts";

/** Where jobs run. One interface with isolation and without it. */
export interface Isolation {
  readonly kind: "isolated" | "none";
  /** What every program gets (PATH, HOME, NIX_REMOTE, NIX_CONF_DIR, …), as it sees it. */
  readonly environment: Environment;
  /** Reads the store from outside, such as `local?root=/var/lib/snowcat/store`; null for the machine's own. */
  readonly storeUrl: string | null;
  /** A folder of the store's garbage collection roots that the agent may write; null where it has none. */
  readonly roots: string | null;
  /** Opens a job: one attempt's user and directory. `label` is for logs. */
  openJob(label: string, ways?: JobWays): Promise<IsolatedJob>;
  /** Runs one program in a job of its own that is disposed afterwards. */
  run(request: SandboxRun): Promise<SandboxResult>;
  /** One line for logs and pages. */
  describe(): string;
  /** Tries that it holds. A pool starts only after `ok`. */
  preflight(): Promise<Preflight>;
  close(): Promise<void>;
}

/**
 * The isolation of a running supervisor, as its agent (or root) uses it.
 * @param outside the caller does not see the private store at /nix.
 */
export function attachIsolation(
  descriptor: Descriptor,
  close: () => Promise<void> = async () => {},
  outside = false,
): Isolation {
  const environment: Environment = {
    ...nixEnvironment(
      descriptor.nixFolder,
      "/usr/bin:/bin:/usr/sbin:/sbin:/run/current-system/sw/bin",
    ),
    HOME: "/home",
    TMPDIR: "/tmp",
    LANG: "C.UTF-8",
    NIX_REMOTE: "daemon",
    NIX_CONF_DIR: INSIDE.nixConfiguration,
    NIX_SSL_CERT_FILE: "/etc/ssl/certs/ca-certificates.crt",
  };
  const { endings } = descriptor;
  const client = launcherClient(descriptor.launcherSocket, descriptor.ways, environment, async () =>
    endings === null ? new Map<string, BuildEnding>() : await readEndings(endings),
  );
  const isolation: Isolation = {
    kind: "isolated",
    environment,
    storeUrl: descriptor.storeRoot === null ? null : `local?root=${descriptor.storeRoot}`,
    roots:
      outside && descriptor.storeRoot !== null
        ? join(descriptor.storeRoot, descriptor.roots)
        : descriptor.roots,
    openJob: (label, ways) => client.openJob(label, ways),
    run: (request) => inOwnJob(isolation, request),
    describe: () =>
      `isolated (bubblewrap, ${descriptor.store} store, nix-daemon with the sandbox on, limits by ${descriptor.limits}, builds: ${descriptor.builds}, egress ${descriptor.egress.join(" ") || "none"})`,
    preflight: () => preflight(isolation),
    close,
  };
  return isolation;
}

/** No isolation at all; the caller has asked for it by name. */
export function plainIsolation(environment: Environment): Isolation {
  const isolation: Isolation = {
    kind: "none",
    environment,
    storeUrl: null,
    roots: null,
    openJob: openPlainJob,
    run: (request) => inOwnJob(isolation, request),
    describe: () =>
      "NOT ISOLATED: jobs run as this user, with this user's files and network; for demonstrations only",
    preflight: async () => ({ ok: false, missing: ["isolation is switched off"] }),
    close: async () => {},
  };
  return isolation;
}

async function inOwnJob(isolation: Isolation, request: SandboxRun): Promise<SandboxResult> {
  const job = await isolation.openJob("single run");
  try {
    return await job.run(request);
  } finally {
    await job.dispose();
  }
}
