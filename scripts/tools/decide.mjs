/**
 * What to do about programs that a command needs and the system lacks. Pure:
 * everything it knows about the machine is an argument.
 *
 * @typedef {import("./table.mjs").Tool} Tool
 *
 * @typedef {object} Machine
 * @property {boolean} root may write to the system
 * @property {boolean} apt Debian's package manager is there
 * @property {boolean} nix Nix is there (a way to get the rest without apt)
 *
 * @typedef {{ kind: "ready" }
 *   | { kind: "install", packages: string[] }
 *   | { kind: "go-on", missing: Tool[], remedy: string }
 *   | { kind: "refuse", missing: Tool[], remedy: string }
 *   | { kind: "become-root", why: string, remedy: string }} Decision
 */

/**
 * @param {object} situation
 * @param {string} situation.command as in `npm run <command>`
 * @param {readonly Tool[]} situation.missing
 * @param {boolean} situation.partial the command can do without, in part
 * @param {string} [situation.needsRoot] what the command does that only root may do
 * @param {boolean} situation.ci a missing tool is a failure
 * @param {boolean} situation.tried an installation was already tried
 * @param {Machine} situation.machine
 * @returns {Decision}
 */
export function decide({ command, missing, partial, needsRoot, ci, tried, machine }) {
  if (needsRoot !== undefined && !machine.root && (missing.length === 0 || machine.apt)) {
    // As root it installs by itself what is missing: one command is enough. PATH, because sudo's own may lack npm.
    const remedy = `sudo env "PATH=$PATH" npm run ${command}`;
    return { kind: "become-root", why: needsRoot, remedy };
  }
  if (missing.length === 0) return { kind: "ready" };
  if (machine.root && machine.apt && !tried) {
    return { kind: "install", packages: packagesOf(missing) };
  }
  const remedy = remedyFor(command, missing, machine);
  return partial && !ci
    ? { kind: "go-on", missing: [...missing], remedy }
    : { kind: "refuse", missing: [...missing], remedy };
}

/**
 * The one command a person must run.
 *
 * @param {string} command
 * @param {readonly Tool[]} missing
 * @param {Machine} machine
 */
function remedyFor(command, missing, machine) {
  const packages = packagesOf(missing).join(" ");
  if (machine.apt) {
    const install = `apt-get update && apt-get install -y --no-install-recommends ${packages}`;
    return machine.root ? install : `sudo sh -c '${install}'`;
  }
  const run = `npm run ${command}`;
  if (machine.nix) {
    const names = missing.map((tool) => `nixpkgs#${tool.nixpkgs}`).join(" ");
    return `nix shell ${names} --command ${run}`;
  }
  // No apt and no Nix: a Debian container has the first, and the command installs the rest there.
  return `docker run --rm -it --privileged -v "$PWD:/snowcat" -w /snowcat node:20-bookworm ${run}`;
}

/** @param {readonly Tool[]} missing */
function packagesOf(missing) {
  return [...new Set(missing.map((tool) => tool.package))];
}

/**
 * What tests are told through SNOWCAT_MISSING, so that they can say why they did not run.
 *
 * @param {readonly Tool[]} missing
 */
export function missingForTests(missing) {
  return JSON.stringify(
    missing.map(({ name, package: pkg, why }) => ({ name, package: pkg, why })),
  );
}
