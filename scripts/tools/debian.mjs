/** Installs Debian packages, from wherever the machine's own apt configuration points. */
import { spawnSync } from "node:child_process";
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
  if (aptGet(wanted)) return true;
  if (updated) return false;
  say("that failed; once more after apt-get update");
  return aptGet(["update"]) && aptGet(wanted);
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
