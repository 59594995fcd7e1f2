/** Keeps node_modules equal to package-lock.json. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Inside node_modules, so that it goes when they go. */
const stampFile = "node_modules/.snowcat-lock-hash";

/**
 * @param {string} root
 * @param {(line: string) => void} say
 * @returns {string | undefined} why it failed
 */
export function installModules(root, say) {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  const hash = createHash("sha256").update(lock).digest("hex");
  const stamp = join(root, stampFile);
  if (read(stamp) === hash) return undefined;

  const installed = read(join(root, "node_modules/.package-lock.json"));
  if (installed === undefined || !sameModules(lock, installed)) {
    say(
      installed === undefined
        ? "npm ci: installing Node 24 and the project's packages into node_modules (1.1 GB)"
        : "npm ci: node_modules is not what package-lock.json says",
    );
    // `npm run -s` hands its silence down; an error must be heard all the same.
    const result = spawnSync("npm", ["ci", "--loglevel=error"], {
      cwd: root,
      stdio: ["ignore", 2, 2],
    });
    if (result.error) return `npm could not be started: ${result.error.message}`;
    if (result.status !== 0) return "npm ci failed; its own message is above";
  }
  mkdirSync(join(root, "node_modules"), { recursive: true });
  writeFileSync(stamp, hash);
  return undefined;
}

/**
 * Compares the lock file with npm's own record of what it installed: someone who ran `npm install`
 * need not wait for a second installation.
 *
 * @param {string} lock text of package-lock.json
 * @param {string} installed text of node_modules/.package-lock.json
 */
export function sameModules(lock, installed) {
  const wanted = packagesIn(lock);
  const present = packagesIn(installed);
  for (const [path, { version, integrity, optional }] of Object.entries(wanted)) {
    if (path === "") continue;
    const found = present[path];
    // Optional packages of other platforms are never installed.
    if (!found && optional) continue;
    if (!found || found.version !== version || found.integrity !== integrity) return false;
  }
  return Object.keys(present).every((path) => path in wanted);
}

/**
 * @param {string} text
 * @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }>}
 */
function packagesIn(text) {
  return JSON.parse(text).packages ?? {};
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
