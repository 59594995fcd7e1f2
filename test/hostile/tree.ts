import { execFile } from "node:child_process";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Tree } from "./attack.ts";

const execute = promisify(execFile);

/** Writes the files of a tree below `folder`. Submodules are left out: they exist in git only. */
async function writeTree(folder: string, tree: Tree): Promise<void> {
  for (const [path, entry] of Object.entries(tree)) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    if (typeof entry === "string" || entry instanceof Uint8Array) await writeFile(target, entry);
    else if ("link" in entry) await symlink(entry.link, target);
    else if ("executable" in entry) {
      await writeFile(target, entry.executable);
      await chmod(target, 0o755);
    }
  }
}

/** Writes the tree as the only commit of a new repository in `folder`, submodules included; returns the commit. */
export async function commitTree(folder: string, tree: Tree): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeTree(folder, tree);
  const git = async (...args: string[]): Promise<string> => {
    const { stdout } = await execute("git", args, {
      cwd: folder,
      env: {
        PATH: process.env["PATH"] ?? "",
        // Not the tree: it may bring a .gitconfig.
        HOME: "/nonexistent",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: "mallory",
        GIT_AUTHOR_EMAIL: "mallory@example.org",
        GIT_COMMITTER_NAME: "mallory",
        GIT_COMMITTER_EMAIL: "mallory@example.org",
      },
    });
    return stdout.trim();
  };
  await git("init", "--quiet", "--initial-branch=main");
  await git("add", "--all");
  for (const [path, entry] of Object.entries(tree)) {
    if (typeof entry === "object" && "gitlink" in entry) {
      await git("update-index", "--add", "--cacheinfo", `160000,${entry.gitlink},${path}`);
    }
  }
  await git("commit", "--quiet", "--message", "hostile");
  return await git("rev-parse", "HEAD");
}
