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

/** @param {readonly string[]} args */
function aptGet(args) {
  const result = spawnSync("apt-get", ["-q", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    // apt writes to stdout, which belongs to the command that runs afterwards.
    stdio: ["ignore", 2, 2],
  });
  return result.status === 0;
}
