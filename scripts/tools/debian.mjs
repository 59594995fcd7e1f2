/** Installs Debian packages, from wherever the machine's own apt configuration points. */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { hasPackageLists } from "./probe.mjs";

/**
 * @param {readonly string[]} packages
 * @param {(line: string) => void} say
 * @returns {boolean} whether apt-get succeeded
 */
export function install(packages, say) {
  const wanted = ["install", "-y", "--no-install-recommends", ...packages];
  let updated = false;
  if (!hasPackageLists()) {
    say("apt-get update (this machine has no package lists yet)");
    updated = aptGet(["update"]);
  }
  say(`apt-get ${wanted.join(" ")}`);
  const forbidden = forbidServices();
  try {
    if (aptGet(wanted)) return true;
    if (updated) return false;
    say("that failed; once more after apt-get update");
    return aptGet(["update"]) && aptGet(wanted);
  } finally {
    if (forbidden) rmSync(POLICY);
    // Asked for a program, nobody meant a service at the next boot.
    if (packages.includes("openssh-server") && existsSync("/run/systemd/system"))
      spawnSync("systemctl", ["disable", "ssh.service"], { stdio: "ignore" });
  }
}

/** Asked before a package's installation starts its service: 101 says no. */
const POLICY = "/usr/sbin/policy-rc.d";

/** @returns {boolean} whether the file is ours to remove; somebody's own stays and decides */
function forbidServices() {
  try {
    writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755, flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Quiet when it works: apt and dpkg write hundreds of lines that say nothing to whoever came to run
 * something else.
 *
 * @param {readonly string[]} args
 * @returns {boolean} whether it succeeded
 */
function aptGet(args) {
  // A new machine is often still busy with its own updates: wait for them, in seconds.
  const result = spawnSync("apt-get", ["-q", ...args, "-o", "DPkg::Lock::Timeout=300"], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return true;
  process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
  if (result.error) process.stderr.write(`apt-get: ${result.error.message}\n`);
  return false;
}
