import { join } from "node:path";

/** Where things are beneath the state directory; as seen from the host and from the private mount namespace alike. */
export interface Layout {
  readonly root: string;
  /** `nix --store local?root=<storeRoot>` reads the store from outside. */
  readonly storeRoot: string;
  readonly accounts: string;
  /** NIX_CONF_DIR of the daemon. */
  readonly nixConfiguration: string;
  /** What jobs see as `INSIDE.nixConfiguration`. */
  readonly jobNixConfiguration: string;
  readonly jobs: string;
  /** Where builders work; what a killed daemon left there goes at the next start. */
  readonly builds: string;
  /** Why builds were ended by the runner: root writes, the agent reads. */
  readonly endings: string;
  readonly launcherDirectory: string;
  readonly launcherSocket: string;
  readonly egressDirectory: string;
  readonly egressSocket: string;
  /** Sockets of the agent's that single jobs are given. */
  readonly ways: string;
  readonly self: string;
  /** The agent's home: key, journal, logs not yet acked. */
  readonly agent: string;
}

/** Bytes of a Unix socket's path that the kernel takes. */
const SOCKET_PATH_MAX = 107;

export function layout(root: string): Layout {
  const launcherDirectory = join(root, "run/launcher");
  const egressDirectory = join(root, "run/egress");
  const found: Layout = {
    root,
    storeRoot: join(root, "store"),
    accounts: join(root, "run/etc"),
    nixConfiguration: join(root, "run/nix"),
    jobNixConfiguration: join(root, "run/nix-job"),
    jobs: join(root, "jobs"),
    builds: join(root, "builds"),
    endings: join(root, "run/endings"),
    launcherDirectory,
    launcherSocket: join(launcherDirectory, "socket"),
    egressDirectory,
    egressSocket: join(egressDirectory, "socket"),
    ways: join(root, "run/ways"),
    self: join(root, "run/self"),
    agent: join(root, "agent"),
  };
  // Names of a job and of a relay are 18 digits.
  const longest = Math.max(
    Buffer.byteLength(found.launcherSocket),
    Buffer.byteLength(join(found.egressDirectory, "0".repeat(18))),
    Buffer.byteLength(join(found.ways, "0".repeat(18), "socket")),
  );
  if (longest > SOCKET_PATH_MAX) {
    throw new Error(
      `${root} is too long for a Unix socket beneath it (${longest} > ${SOCKET_PATH_MAX} bytes): use a shorter state directory`,
    );
  }
  return found;
}

/** Paths inside every sandbox. */
export const INSIDE = {
  job: "/job",
  secrets: "/run/secrets",
  nixConfiguration: "/conf",
  node: "/run/snowcat/node",
  init: "/run/snowcat/init",
  bundle: "/run/snowcat/snowcat.mjs",
  egressSocket: "/run/snowcat/egress.sock",
  /** Of a job that has ways of its own. */
  agentSocket: "/run/snowcat/agent.sock",
  /** The port of the forwarder on the sandbox's own loopback. */
  proxyPort: 3128,
} as const;
