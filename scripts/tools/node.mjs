/** Finds the Node that runs the project's TypeScript as it is. */
import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { join } from "node:path";

/** Type stripping without a flag and without a warning. */
const major = 24;

/**
 * @param {string} root
 * @returns {{ ok: true, node: string } | { ok: false, why: string }}
 */
export function findNode(root) {
  const node = join(root, "node_modules/.bin/node");
  const remedy = "Run: npm ci --include=optional";
  let version;
  try {
    // Inside an npm script this process is already that Node; asking it again would cost a start.
    version =
      realpathSync(node) === process.execPath
        ? process.version
        : spawnSync(node, ["--version"], { encoding: "utf8" }).stdout;
  } catch {
    const platform = `${process.platform}-${process.arch}`;
    return {
      ok: false,
      why: `node_modules/.bin/node is missing (packages exist for linux-x64 and linux-arm64; this is ${platform}). ${remedy}`,
    };
  }
  const found = version?.trim() ?? "";
  if (!found.startsWith(`v${major}.`)) {
    return { ok: false, why: `node_modules/.bin/node says "${found}", not v${major}. ${remedy}` };
  }
  return { ok: true, node };
}
