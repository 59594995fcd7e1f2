import type { Workspace } from "../nix/launch.ts";
import { describeLaunch, ended, text } from "../nix/launch.ts";

/** Which of these paths a tree has; asked of the job, which sees what a runner would see. */
export async function present(
  workspace: Workspace,
  tree: string,
  paths: readonly string[],
): Promise<Set<string>> {
  const asked = [...new Set(paths)];
  const found = await Promise.all(
    asked.map(async (path) =>
      (await says(workspace, ["test", "-e", `${tree}/${path}`])) ? path : null,
    ),
  );
  return new Set(found.filter((path) => path !== null));
}

export function executable(workspace: Workspace, path: string): Promise<boolean> {
  return says(workspace, ["test", "-x", path]);
}

/** Whether a job finds a program of that name. */
export async function resolvable(workspace: Workspace, program: string): Promise<boolean> {
  return says(workspace, ["sh", "-c", 'command -v -- "$1" > /dev/null', "sh", program]);
}

async function says(workspace: Workspace, argv: [string, ...string[]]): Promise<boolean> {
  const result = await workspace.launch({ argv, network: "none" });
  if (ended(result)) return true;
  if (result.exitCode !== null && result.exitCode !== 0 && !result.timedOut) return false;
  throw new Error(`${argv[0]} ${describeLaunch(result)}: ${text(result.stderr).slice(-500)}`);
}
