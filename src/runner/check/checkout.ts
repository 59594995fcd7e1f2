import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { run, succeeded, describeEnd, inheritedEnvironment } from "../process/index.ts";
import type { Workspace } from "../nix/launch.ts";
import { describeLaunch, ended, text } from "../nix/launch.ts";

/** Bytes of a checkout that are copied into a job. */
const CHECKOUT_BYTES = 2 * 1_024 ** 3;

/** Files of a repository as git sees them now: tracked, changes included, ignored and untracked ones not. Null outside of git. */
async function trackedFiles(checkout: string): Promise<Uint8Array | null> {
  // The repository's own configuration must not start programs; nor does it matter whose it is.
  const quiet = [
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "safe.directory=*",
  ];
  const env = {
    ...inheritedEnvironment(["PATH"]),
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
  };
  const inside = await run(
    ["git", ...quiet, "-C", checkout, "rev-parse", "--is-inside-work-tree"],
    { env },
  );
  if (!succeeded(inside)) return null;
  const listed = await run(
    ["git", ...quiet, "-C", checkout, "ls-files", "-z", "--cached", "--recurse-submodules"],
    { env, maxOutput: 256 * 1_024 * 1_024 },
  );
  if (!succeeded(listed) || listed.truncated)
    throw new Error(`listing the files of ${checkout}: git ${describeEnd(listed)}`);
  return listed.stdout;
}

/** A tar of the checkout: what git tracks, or of a plain directory everything. */
async function packed(checkout: string): Promise<Uint8Array> {
  const files = await trackedFiles(checkout);
  const list =
    files === null
      ? ["--exclude=./.git", "."]
      : ["--no-recursion", "--verbatim-files-from", "--null", "--files-from=-"];
  const result = await run(
    [
      "tar",
      "--create",
      "--sort=name",
      "--mtime=@1",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--ignore-failed-read",
      "--directory",
      checkout,
      ...list,
    ],
    {
      env: { ...inheritedEnvironment(["PATH"]), LC_ALL: "C.UTF-8" },
      ...(files === null ? {} : { input: files }),
      maxOutput: CHECKOUT_BYTES,
    },
  );
  // A tracked file that is deleted in the working tree is a warning of tar's and exit code 2.
  const complaints = text(result.stderr)
    .split("\n")
    .filter(
      (line) =>
        line !== "" &&
        !/Cannot stat: No such file|Exiting with failure status|delayed from previous errors/u.test(
          line,
        ),
    );
  if (
    result.truncated ||
    (result.exitCode !== 0 && complaints.length > 0) ||
    result.exitCode === null
  ) {
    throw new Error(
      `reading ${checkout}: tar ${describeEnd(result)}: ${complaints.join("; ").slice(0, 500)}`,
    );
  }
  return result.stdout;
}

/** Copies a checkout into a job. @returns the tree as the job's programs see it. */
export async function copyCheckout(
  workspace: Workspace,
  checkout: string,
  signal: AbortSignal,
): Promise<string> {
  const found = await stat(checkout).catch(() => null);
  if (!found?.isDirectory())
    throw new CheckoutProblem(`${checkout} is not a directory: name the checkout to look at`);
  const tree = `${workspace.directory}/source`;
  const files = await packed(checkout);
  for (const step of [
    { argv: ["mkdir", "-p", "--", tree] as const },
    { argv: ["tar", "--extract", "--directory", tree] as const, input: files },
  ]) {
    const result = await workspace.launch({ ...step, network: "none", signal });
    if (!ended(result))
      throw new Error(
        `copying ${checkout}: ${step.argv[0]} ${describeLaunch(result)}: ${text(result.stderr).slice(-500)}`,
      );
  }
  return tree;
}

/** What the caller named cannot be looked at. */
export class CheckoutProblem extends Error {}

/** The configuration file of a checkout, or null. */
export async function configurationText(checkout: string, file: string): Promise<string | null> {
  try {
    return await readFile(join(checkout, file), "utf8");
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      (error.code === "ENOENT" || error.code === "ENOTDIR")
    )
      return null;
    throw error;
  }
}
