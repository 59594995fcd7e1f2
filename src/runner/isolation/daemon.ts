import { stat } from "node:fs/promises";
import type { RunningProcess } from "../process/index.ts";
import { start } from "../process/index.ts";
import { lineSplitter } from "../nix/log/lines.ts";
import type { Builds } from "./builds/index.ts";
import { JOIN } from "./launcher/job-process.ts";
import type { Layout } from "./layout.ts";
import { INSIDE } from "./layout.ts";
import { nixEnvironment } from "./nix-folder.ts";
import type { Self } from "./self.ts";
import { selfCommand } from "./self.ts";
import { ROOT_PATH } from "./store.ts";

export const DAEMON_SOCKET = "/nix/var/nix/daemon-socket/socket";

/** Brings the new namespace's loopback up, then becomes the forwarder. Fixed text, data as arguments. */
const LOOPBACK = 'ip link set lo up && exec "$@"';

/**
 * Starts nix-daemon in a network namespace that has a loopback and nothing else. Fixed-output
 * builds share it: the only way out for them is the forwarder to the egress proxy.
 * @param builds what its builders are held to.
 * @param complain gets its lines, but for those about each connection.
 */
export function startDaemon(
  paths: Layout,
  self: Self,
  nixFolder: string | null,
  builds: Pick<Builds, "joinFiles" | "resourceLimits">,
  complain: (line: string) => void,
): RunningProcess {
  const daemon = start(
    [
      "sh",
      "-c",
      JOIN,
      "sh",
      ...builds.joinFiles,
      "--",
      "setpriv",
      "--pdeathsig",
      "KILL",
      "prlimit",
      ...builds.resourceLimits,
      "unshare",
      "--net",
      "sh",
      "-c",
      LOOPBACK,
      "sh",
      ...selfCommand(self, "sandbox-init", [
        paths.egressSocket,
        String(INSIDE.proxyPort),
        "--",
        "nix-daemon",
      ]),
    ],
    {
      cwd: "/",
      env: {
        ...nixEnvironment(nixFolder, ROOT_PATH),
        NIX_CONF_DIR: paths.nixConfiguration,
        HOME: "/var/empty",
        TMPDIR: paths.builds,
        ...certificates(),
      },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const lines = lineSplitter((line) => {
    if (!CONNECTION.test(line)) complain(line);
  });
  daemon.stderr?.on("data", (chunk: Uint8Array) => lines.push(chunk)).on("end", () => lines.end());
  return daemon;
}

/** Said for every client, which is every program of every job. */
export const CONNECTION =
  /^accepted connection from (?:pid (?:\d+|<unknown>), user \S+(?: \(trusted\))?|unknown peer)$/u;

/** Where TLS certificates are on Debian and on NixOS, which nix-daemon does not find by itself. */
function certificates(): Record<string, string> {
  return { NIX_SSL_CERT_FILE: "/etc/ssl/certs/ca-certificates.crt" };
}

/** Resolves when the socket is there; rejects when `ended` comes first or time runs out. */
export async function listening(
  path: string,
  ended: Promise<unknown>,
  timeoutMs = 20_000,
): Promise<void> {
  let over: string | null = null;
  const timer = setTimeout(
    () => (over = `nobody listens on ${path} after ${timeoutMs} ms`),
    timeoutMs,
  );
  void ended.then(() => (over = `the program that should listen on ${path} ended`));
  try {
    while (!(await stat(path).catch(() => null))?.isSocket()) {
      if (over !== null) throw new Error(over);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    clearTimeout(timer);
  }
}
