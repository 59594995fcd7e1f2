import { posix } from "node:path";
import type { Source } from "../../protocol/specification.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { LaunchResult, Workspace } from "../nix/launch.ts";
import { describeLaunch, ended, text } from "../nix/launch.ts";
import { clean } from "../nix/log/clean.ts";
import { credentialLine, git } from "./git.ts";
import { submodules } from "./submodules.ts";

export interface FetchOptions {
  readonly workspace: Workspace;
  readonly source: Source;
  /** Read-only, for the host of `cloneUrl`; null where the repository needs none. */
  readonly token: string | null;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export type Fetched =
  /** `tree`: the checked-out files, as the job's programs see them. `revision`: set when it is a git checkout. */
  | { readonly kind: "fetched"; readonly tree: string; readonly revision: string | null }
  | { readonly kind: "refused"; readonly verdict: Verdict };

/** Submodules inside submodules are followed this far. */
const SUBMODULE_DEPTH = 4;
/** A fetch that takes longer hangs (ms). */
const FETCH_MS = 600_000;

/**
 * Fetches a commit, insists on its tree, and lays its files out: plain, without `.git`, all of the same age, so that
 * equal trees evaluate to equal derivations; or as a git checkout, where the flake is to see its revision.
 */
export async function fetchSource(options: FetchOptions): Promise<Fetched> {
  const { workspace, source, signal } = options;
  const tree = posix.join(workspace.directory, "source");
  const gitDirectory = source.revision
    ? posix.join(tree, ".git")
    : posix.join(workspace.directory, "git");
  try {
    const commit = await fetchCommit(
      options,
      gitDirectory,
      source.cloneUrl,
      source.sha,
      source.ref,
    );
    const found = text(
      must(
        await git(
          workspace,
          [
            "--git-dir",
            gitDirectory,
            "rev-parse",
            "--verify",
            "--end-of-options",
            `${commit}^{tree}`,
          ],
          { signal },
        ),
        "reading the tree",
      ).stdout,
    ).trim();
    if (found !== source.tree) {
      return refuse(
        `commit ${source.sha} has the tree ${found}, and the job is for the tree ${source.tree}: what was fetched is not what was asked for`,
      );
    }
    await layOut(options, gitDirectory, commit, tree, source.cloneUrl, 0);
    if (!source.revision) await sameAge(options, tree);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof GitFailure) return refuse(error.message);
    throw error;
  }
  return { kind: "fetched", tree, revision: source.revision ? source.sha : null };
}

function refuse(message: string): Fetched {
  return { kind: "refused", verdict: { kind: "infrastructure", message, logTail: "" } };
}

/** An expected failure of git: the network, the host, a commit that has gone. */
class GitFailure extends Error {}

function must(result: LaunchResult, doing: string): LaunchResult {
  if (ended(result)) return result;
  throw new GitFailure(
    `${doing}: git ${describeLaunch(result)}: ${clean(text(result.stderr)).trim().slice(-2_000)}`,
  );
}

/** By name first: the ref may have moved on since. Then by the ref, for hosts that give out nothing else. */
async function fetchCommit(
  options: FetchOptions,
  gitDirectory: string,
  url: string,
  sha: string,
  ref: string | null,
): Promise<string> {
  const { workspace, signal, token, source, say } = options;
  must(
    await git(
      workspace,
      [
        "init",
        "--quiet",
        "--template=",
        ...(sha.length === 64 ? ["--object-format=sha256"] : []),
        "--bare",
        gitDirectory,
      ],
      { signal },
    ),
    "making a repository",
  );
  const same =
    new URL(url).host === new URL(source.cloneUrl).host &&
    new URL(url).protocol === new URL(source.cloneUrl).protocol;
  const credential = token !== null && same ? { credential: credentialLine(url, token) } : {};
  const fetch = (what: string): Promise<LaunchResult> =>
    git(
      workspace,
      [
        "--git-dir",
        gitDirectory,
        "fetch",
        "--quiet",
        "--depth=1",
        "--no-tags",
        "--no-recurse-submodules",
        "--end-of-options",
        url,
        what,
      ],
      { ...credential, url, signal, timeoutMs: FETCH_MS },
    );
  say(`fetching ${sha} of ${url}`);
  let result = await fetch(sha);
  if (!ended(result) && ref !== null) result = await fetch(`${ref}:refs/snowcat/fetched`);
  must(result, `fetching ${sha}`);
  const found = await git(
    workspace,
    [
      "--git-dir",
      gitDirectory,
      "rev-parse",
      "--verify",
      "--quiet",
      "--end-of-options",
      `${sha}^{commit}`,
    ],
    { signal },
  );
  if (!ended(found))
    throw new GitFailure(`fetching ${sha}: ${ref ?? "the repository"} does not hold it any more`);
  return sha;
}

/** Writes the files of a commit beneath `tree`, submodules included. No filter and no hook runs. */
async function layOut(
  options: FetchOptions,
  gitDirectory: string,
  commit: string,
  tree: string,
  url: string,
  depth: number,
): Promise<void> {
  const { workspace, signal, source, say } = options;
  must(
    await workspace.launch({ argv: ["mkdir", "-p", "--", tree], network: "none", signal }),
    "making a folder",
  );
  if (source.revision && depth === 0)
    must(
      await git(workspace, ["--git-dir", gitDirectory, "config", "core.bare", "false"], { signal }),
      "making a checkout",
    );
  const place = ["--git-dir", gitDirectory, "--work-tree", tree];
  must(await git(workspace, [...place, "read-tree", commit], { signal }), "reading the tree");
  must(
    await git(workspace, [...place, "checkout-index", "--all", "--force", "--quiet"], {
      signal,
      maxOutput: 65_536,
    }),
    "writing the files",
  );
  if (source.revision && depth === 0)
    must(
      await git(
        workspace,
        ["--git-dir", gitDirectory, "update-ref", "--no-deref", "HEAD", commit],
        { signal },
      ),
      "setting HEAD",
    );
  const { found, skipped } = await submodules(workspace, gitDirectory, commit, url, signal);
  for (const path of skipped)
    say(
      `submodule ${JSON.stringify(path)} has no address that can be fetched: its folder stays empty`,
    );
  for (const [index, submodule] of found.entries()) {
    if (depth >= SUBMODULE_DEPTH)
      throw new GitFailure(`submodules are nested deeper than ${SUBMODULE_DEPTH}`);
    const inner = `${gitDirectory}-${index}`;
    const sha = await fetchCommit(options, inner, submodule.url, submodule.sha, null);
    await layOut(options, inner, sha, posix.join(tree, submodule.path), submodule.url, depth + 1);
  }
}

/** The newest file's age is visible to a flake (`lastModified`). Links are touched themselves, never what they point to. */
async function sameAge({ workspace, signal }: FetchOptions, tree: string): Promise<void> {
  must(
    await workspace.launch({
      argv: ["find", tree, "-exec", "touch", "--no-dereference", "--date=@1", "{}", "+"],
      network: "none",
      signal,
    }),
    "setting the files' age",
  );
}
