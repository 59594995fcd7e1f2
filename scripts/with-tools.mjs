/**
 * Runs one of the project's commands with everything it needs:
 * `node scripts/with-tools.mjs <command> [args…]`.
 *
 * Plain JavaScript without dependencies: it runs on the system's own Node (20 or later), before
 * anything is installed. It writes to stderr only; stdout belongs to the command.
 */
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decide, missingForTests } from "./tools/decide.mjs";
import { install } from "./tools/debian.mjs";
import { installModules } from "./tools/modules.mjs";
import { fetchNix } from "./tools/nix-fetch.mjs";
import { missingNix, nixEnvironment } from "./tools/nix-versions.mjs";
import { findNode } from "./tools/node.mjs";
import { find, isThere } from "./tools/probe.mjs";
import { run } from "./tools/run.mjs";
import { commands, patchelf, tools } from "./tools/table.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

main(process.argv.slice(2));

/** @param {readonly string[]} argv */
function main([name = "", ...args]) {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    return fail(`unknown command "${name}"; there are: ${Object.keys(commands).join(", ")}`, 64);
  }
  const env = { ...process.env };
  if (!prepareSystem(name, command, env)) return;

  const trouble =
    fetchNix(missingNix(command, env), env.PATH ?? "", say) ?? installModules(root, say);
  if (trouble) return fail(trouble);
  const found = findNode(root);
  if (!found.ok) return fail(found.why);

  const entry = join(root, command.entry);
  if (!existsSync(entry)) return fail(`${command.entry} is missing from this checkout`);
  // The command's own children get the same Node and the tools outside a plain user's PATH.
  env.PATH = [dirname(found.node), env.PATH, "/usr/sbin", "/sbin"].filter(Boolean).join(delimiter);
  try {
    Object.assign(env, nixEnvironment(env));
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error), 64);
  }
  run(found.node, [entry, ...args], env);
}

/**
 * @param {string} name
 * @param {import("./tools/table.mjs").Command} command
 * @param {NodeJS.ProcessEnv} env gets SNOWCAT_MISSING
 * @returns {boolean} whether to go on
 */
function prepareSystem(name, command, env) {
  for (let tried = false; ; tried = true) {
    const path = env.PATH ?? "";
    const wanted = tools.filter((tool) => command.tools.includes(tool.name));
    const apt = find("apt-get", path) !== undefined;
    if (apt && missingNix(command, env).length > 0) wanted.push(patchelf);
    const missing = wanted.filter((tool) => !isThere(tool, path));
    const decision = decide({
      command: name,
      missing,
      partial: command.partial ?? false,
      needsRoot: command.root,
      ci: env.CI === "true",
      tried,
      machine: {
        root: process.getuid?.() === 0,
        apt,
        nix: find("nix", path) !== undefined,
      },
    });
    switch (decision.kind) {
      case "ready":
        delete env.SNOWCAT_MISSING;
        return true;
      case "install":
        for (const tool of missing) say(`installing ${tool.package}: ${tool.name} ${tool.why}`);
        install(decision.packages, say);
        break;
      case "go-on":
        report(name, decision);
        say("going on with what can run");
        env.SNOWCAT_MISSING = missingForTests(decision.missing);
        return true;
      case "become-root":
        say(`${name} needs root: it ${decision.why}`);
        for (const tool of missing)
          say(`it will install ${tool.package}: ${tool.name} ${tool.why}`);
        say(`run this once: ${decision.remedy}`);
        process.exitCode = 77; // EX_NOPERM
        return false;
      case "refuse":
        report(name, decision);
        process.exitCode = 69; // EX_UNAVAILABLE
        return false;
    }
  }
}

/**
 * @param {string} name
 * @param {{ missing: import("./tools/table.mjs").Tool[], remedy: string }} decision
 */
function report(name, { missing, remedy }) {
  for (const tool of missing) say(`${name} needs ${tool.name}: it ${tool.why}`);
  say(`run this once: ${remedy}`);
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`snowcat: ${line}\n`);
}

/**
 * @param {string} why
 * @param {number} [code] as in sysexits(3)
 */
function fail(why, code = 1) {
  say(why);
  process.exitCode = code;
}
