import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { emailOf } from "./render/account.ts";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runGit } from "./git.ts";
import type { GitResult } from "./git.ts";
import { cloneUrl } from "./render/repository.ts";
import type { Account, Repository } from "./state.ts";
import type { World } from "./world.ts";

/** A working clone of one user; everything it does to the double travels over HTTP. */
export interface Clone {
  readonly dir: string;
  write(files: Record<string, string | null>): Promise<void>;
  /** Commits everything; the new SHA. */
  commit(message: string): Promise<string>;
  /** Default: HEAD to the branch of the same name. The result is returned, refused or not. */
  push(...args: string[]): Promise<GitResult>;
  git(...args: string[]): Promise<GitResult>;
  remove(): Promise<void>;
}

export async function cloneOf(world: World, repo: Repository, as: Account): Promise<Clone> {
  const home = await mkdtemp(join(tmpdir(), "github-clone-"));
  const dir = join(home, "work");
  // The token is in a file that only a helper reads: in no argument, no address, no .git.
  const secret = join(home, "credential");
  await writeFile(
    secret,
    `username=x-access-token\npassword=${world.grants.issueUserToken(as)}\n`,
    { mode: 0o400 },
  );
  const helper = join(home, "helper");
  await writeFile(helper, `#!/bin/sh\n[ "$1" = get ] && cat "${secret}"\nexit 0\n`);
  await chmod(helper, 0o500);
  const env = {
    GIT_AUTHOR_NAME: as.login,
    GIT_AUTHOR_EMAIL: emailOf(as),
    GIT_COMMITTER_NAME: as.login,
    GIT_COMMITTER_EMAIL: emailOf(as),
  };
  const run = (cwd: string, args: string[]): Promise<GitResult> => {
    const date = world.stamp();
    return runGit(["-c", `credential.helper=${helper}`, ...args], {
      cwd,
      env: { ...env, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date },
    });
  };
  const must = async (cwd: string, args: string[]): Promise<string> => {
    const result = await run(cwd, args);
    if (result.code !== 0)
      throw new Error(`git ${args[0]} exited ${result.code}: ${result.stderr}`);
    return result.stdout.toString().trim();
  };
  await must(home, ["clone", "-q", cloneUrl(world, repo), dir]);
  return {
    dir,
    write: async (files) => {
      for (const [path, content] of Object.entries(files)) {
        const target = join(dir, path);
        await mkdir(dirname(target), { recursive: true });
        if (content === null) await rm(target);
        else await writeFile(target, content);
      }
    },
    commit: async (message) => {
      await must(dir, ["add", "--all"]);
      await must(dir, ["commit", "-q", "--allow-empty", "-m", message]);
      return must(dir, ["rev-parse", "HEAD"]);
    },
    push: (...args) => run(dir, ["push", "-q", "origin", ...(args.length > 0 ? args : ["HEAD"])]),
    git: (...args) => run(dir, args),
    remove: () => rm(home, { recursive: true, force: true }),
  };
}
