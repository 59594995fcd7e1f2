/** Fetches the versions of Nix that a command wants beside the machine's own. */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { find } from "./probe.mjs";
import { folderOf } from "./nix-versions.mjs";

/**
 * @param {readonly { suite: import("./nix-versions.mjs").Suite, needed: boolean }[]} missing
 * @param {string} path as in PATH
 * @param {(line: string) => void} say
 * @returns {string | undefined} why the command must not go on
 */
export function fetchNix(missing, path, say) {
  for (const { suite, needed } of missing) {
    const folder = folderOf(suite);
    const why = cannot(path) ?? fetchOne(suite, folder, say);
    if (why === undefined) continue;
    const line = `Nix of Debian ${suite} is not in ${folder}, and cannot be fetched: ${why}`;
    if (needed) return line;
    say(`${line}. Going on without it`);
  }
  return undefined;
}

/** @param {string} path */
function cannot(path) {
  for (const program of ["apt-get", "dpkg-deb"]) {
    if (find(program, path) === undefined)
      return `it comes as Debian packages, and there is no ${program}`;
  }
  if (process.getuid?.() !== 0) return "only root writes there; run the command as root once";
  for (const program of ["patchelf", "flock"]) {
    if (find(program, path) === undefined) return `${program} is missing`;
  }
  return undefined;
}

/**
 * @param {string} suite
 * @param {string} folder
 * @param {(line: string) => void} say
 */
function fetchOne(suite, folder, say) {
  say(`fetching Nix of Debian ${suite} into ${folder} (about 40 MB, once)`);
  mkdirSync(dirname(folder), { recursive: true, mode: 0o755 });
  // Of two at once one fetches; the other waits and finds it there. The kernel lets go of the lock of the killed.
  const lock = join(dirname(folder), `.lock-${suite}`);
  const script = fileURLToPath(new URL("nix-install.mjs", import.meta.url));
  const result = spawnSync("flock", [lock, process.execPath, script, suite], {
    stdio: ["ignore", 2, "pipe"],
    encoding: "utf8",
  });
  if (result.status === 0) return undefined;
  return result.error?.message ?? result.stderr.trim();
}
