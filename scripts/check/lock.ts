import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Gate } from "./gate.ts";

interface Locked {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * `npm ci` refuses a lock file that lacks the optional packages of other platforms, and
 * `npm install` writes such a lock file without a word where the registry has no builds for them.
 */
export const lock: Gate = {
  name: "lock",
  async run({ root, files }) {
    if (!files.includes("package-lock.json")) return [];
    const text = await readFile(join(root, "package-lock.json"), "utf8");
    const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> };
    return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !isLocked(packages, path, name))
        .map(
          (name) =>
            `package-lock.json: ${path || "the project"} wants ${name}, which is missing; pin a version whose builds the registry has`,
        ),
    );
  },
};

/** As Node resolves: beside the package, then one level up at a time. */
function isLocked(packages: Readonly<Record<string, Locked>>, from: string, name: string): boolean {
  for (let path = from; ; path = path.slice(0, path.lastIndexOf("/node_modules/"))) {
    if ((path === "" ? "" : `${path}/`) + `node_modules/${name}` in packages) return true;
    if (!path.includes("/node_modules/")) break;
  }
  return `node_modules/${name}` in packages;
}
