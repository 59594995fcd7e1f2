import { zeroSha } from "./git.ts";
import type { GitStore } from "./git.ts";
import { emailOf } from "./render/account.ts";
import type { Account, Repository } from "./state.ts";
import type { World } from "./world.ts";

/** Commits written straight into a bare repository; a ref moves, nobody is told. */

/** Path → content; null deletes. A mode makes executables ("100755"), symlinks ("120000") and submodules ("160000", content = SHA). */
export type Files = Record<
  string,
  string | Buffer | null | { mode: string; content: string | Buffer }
>;

export interface CommitInput {
  branch: string;
  files?: Files;
  message?: string;
  author: Account;
  /** What to build on: a ref or SHA; default the branch, and the default branch where it is new. */
  parent?: string;
}

export interface Written {
  ref: string;
  before: string;
  after: string;
}

export async function commitFiles(
  world: World,
  repo: Repository,
  input: CommitInput,
): Promise<Written> {
  const { git } = repo;
  const ref = `refs/heads/${input.branch}`;
  const before = await git.commitOf(ref);
  const parent =
    input.parent === undefined
      ? (before ?? (await git.commitOf(repo.defaultBranch)))
      : await git.commitOf(input.parent);
  if (input.parent !== undefined && parent === undefined)
    throw new Error(`${world.fullName(repo)} has no commit ${input.parent}`);
  const tree = await treeWith(git, parent, input.files ?? {});
  return write(world, repo, input, { ref, before, parent, tree });
}

/** The parent's tree with some files changed. */
export function treeWith(git: GitStore, parent: string | undefined, files: Files): Promise<string> {
  return git.withIndex(async (env) => {
    if (parent !== undefined) await git.git(["read-tree", parent], { env });
    let entries = "";
    for (const [path, file] of Object.entries(files)) {
      if (file === null) {
        entries += `0 ${zeroSha}\t${path}\0`;
        continue;
      }
      const { mode, content } =
        typeof file === "object" && !Buffer.isBuffer(file)
          ? file
          : { mode: "100644", content: file };
      const blob =
        mode === "160000"
          ? String(content)
          : (await git.git(["hash-object", "-w", "--stdin"], { input: content })).toString().trim();
      entries += `${mode} ${blob}\t${path}\0`;
    }
    await git.git(["update-index", "-z", "--add", "--index-info"], { env, input: entries });
    return (await git.git(["write-tree"], { env })).toString().trim();
  });
}

export async function importDirectory(
  world: World,
  repo: Repository,
  directory: string,
  input: CommitInput,
): Promise<Written> {
  const { git } = repo;
  const tree = await git.withIndex(async (env) => {
    const all = { ...env, GIT_DIR: git.dir, GIT_WORK_TREE: directory };
    await git.git(["-c", "core.bare=false", "add", "--all", "--force", "."], {
      env: all,
      cwd: directory,
    });
    return (await git.git(["write-tree"], { env })).toString().trim();
  });
  return write(world, repo, input, {
    ref: `refs/heads/${input.branch}`,
    before: undefined,
    parent: undefined,
    tree,
  });
}

async function write(
  world: World,
  repo: Repository,
  input: CommitInput,
  at: { ref: string; before: string | undefined; parent: string | undefined; tree: string },
): Promise<Written> {
  const author = { name: input.author.login, email: emailOf(input.author) };
  const parents = at.parent === undefined ? [] : [at.parent];
  const after = await repo.git.commitTree(
    at.tree,
    parents,
    `${input.message ?? "Change"}\n`,
    author,
    world.stamp(),
  );
  const before = at.before ?? zeroSha;
  if (!(await repo.git.moveRef({ ref: at.ref, before, after })))
    throw new Error(`${at.ref} moved while a commit was written`);
  return { ref: at.ref, before, after };
}
