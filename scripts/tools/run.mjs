/** Becomes, as far as Node can, the command it starts: same input, output, signals and exit. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { whenParentIsGone } from "./parent.mjs";

/** @type {readonly NodeJS.Signals[]} */
const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/**
 * @param {string} file
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
export function run(file, args, env) {
  const child = spawn(file, args, { stdio: "inherit", env });
  for (const signal of forwarded) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the whole group: the child already has it, and a second one
      // often means "at once".
      if (signal === "SIGINT" && process.stdin.isTTY) return;
      child.kill(signal);
    });
  }
  whenParentIsGone(() => {
    process.stderr.write("snowcat: what started this is gone; ending\n");
    child.kill("SIGTERM");
  });
  child.on("error", (error) => {
    process.stderr.write(`snowcat: ${file} could not be started: ${error.message}\n`);
    process.exitCode = 126;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = signal ? 128 + constants.signals[signal] : (code ?? 1);
  });
}
