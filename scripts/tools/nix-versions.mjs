/**
 * Versions of Nix beside the machine's own: which there are, and where. Debian 12's and Debian 13's
 * both gate, whatever the machine itself has; Debian unstable's is reported.
 *
 * @typedef {"bookworm" | "trixie" | "sid"} Suite
 *
 * @typedef {object} NixInstall
 * @property {Suite} suite
 * @property {string} number as Nix prints it: `2.26.3`
 * @property {string} bin the folder to put first on PATH
 * @property {boolean} gating
 */
import { existsSync, readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { find } from "./probe.mjs";

/** @type {readonly { suite: Suite, gating: boolean }[]} */
export const suites = [
  { suite: "bookworm", gating: true },
  { suite: "trixie", gating: true },
  { suite: "sid", gating: false },
];

/** Outside the checkout, and passable for a job's user. The number changes with what is put there. */
const cache = join(process.env.SNOWCAT_CACHE || "/var/cache/snowcat", "nix-1");

/**
 * Where a suite's Nix is, or would be: `bin` and `lib`, with absolute paths to each other inside.
 *
 * @param {Suite} suite
 */
export function folderOf(suite) {
  return join(cache, suite);
}

/** Says what was put there; the last thing that is written. */
export const manifest = "snowcat.json";

/** @returns {Suite | undefined} the suite of this Debian, when its Nix comes from Debian */
export function ownSuite() {
  let release;
  try {
    release = readFileSync("/etc/os-release", "utf8");
  } catch {
    return undefined;
  }
  const codename = /^VERSION_CODENAME=["']?(\w+)/mu.exec(release)?.[1];
  const own = suites.find(({ suite }) => suite === codename)?.suite;
  return own !== undefined && find("nix", "/usr/bin") === "/usr/bin/nix" ? own : undefined;
}

/**
 * Every version that is here, the machine's own first.
 *
 * @returns {NixInstall[]}
 */
export function nixInstalls() {
  const own = ownSuite();
  /** @type {NixInstall[]} */
  const found = [];
  for (const { suite, gating } of suites) {
    if (suite === own) {
      const number = numberOf("/usr/bin/nix");
      if (number !== undefined) found.unshift({ suite, number, bin: "/usr/bin", gating });
      continue;
    }
    const number = installedNumber(suite);
    if (number !== undefined)
      found.push({ suite, number, bin: join(folderOf(suite), "bin"), gating });
  }
  return found;
}

/** @param {string} nix a program */
function numberOf(nix) {
  const { stdout } = spawnSync(nix, ["--version"], { encoding: "utf8" });
  return /\d+\.\d+[.\w]*/u.exec(stdout ?? "")?.[0];
}

/** @param {Suite} suite */
function installedNumber(suite) {
  try {
    const { number } = JSON.parse(readFileSync(join(folderOf(suite), manifest), "utf8"));
    return typeof number === "string" ? number : undefined;
  } catch {
    // Nothing has been put there.
    return undefined;
  }
}

/**
 * What a command wants and this machine does not have yet.
 *
 * @param {import("./table.mjs").Command} command
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ suite: Suite, needed: boolean }[]} `needed`: the command cannot go on without
 */
export function missingNix(command, env) {
  const named = env.SNOWCAT_NIX;
  if (!named && !command.otherNix) return [];
  const own = ownSuite();
  return suites
    .filter(({ suite }) => suite !== own && installedNumber(suite) === undefined)
    .filter(({ suite }) => command.otherNix || suite === named)
    .map(({ suite, gating }) => ({
      suite,
      needed: suite === named || (gating && env.CI === "true"),
    }));
}

/**
 * The one that SNOWCAT_NIX names, or undefined when it names none.
 *
 * @param {string | undefined} name
 */
export function chosenNix(name) {
  if (!name) return undefined;
  const chosen = nixInstalls().find(({ suite }) => suite === name);
  if (chosen) return chosen;
  throw new Error(
    suites.some(({ suite }) => suite === name)
      ? `Nix of ${name} is not here: run it through npm (such as SNOWCAT_NIX=${name} npm test), which fetches it`
      : `SNOWCAT_NIX is "${name}"; there are: ${suites.map(({ suite }) => suite).join(", ")}`,
  );
}

/**
 * What programs need in their environment to use the Nix that SNOWCAT_NIX names; nothing when it names none.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {Record<string, string>}
 */
export function nixEnvironment(env) {
  const chosen = chosenNix(env.SNOWCAT_NIX);
  return chosen === undefined ? {} : environmentOf(chosen, env);
}

/**
 * @param {NixInstall} nix
 * @param {NodeJS.ProcessEnv} env what is there already
 * @returns {Record<string, string>}
 */
export function environmentOf({ bin }, env) {
  const others = suites.map(({ suite }) => join(folderOf(suite), "bin"));
  const rest = (env.PATH ?? "")
    .split(delimiter)
    .filter((one) => one !== "" && !others.includes(one));
  // The machine's own is found anyway, and its folder holds more than Nix.
  if (!others.includes(bin)) return { PATH: rest.join(delimiter) };
  const libexec = join(bin, "../libexec");
  return {
    PATH: [bin, ...rest].join(delimiter),
    // Of Debian 12's: its build hook.
    ...(existsSync(join(libexec, "nix")) ? { NIX_LIBEXEC_DIR: libexec } : {}),
  };
}
