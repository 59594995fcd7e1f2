import type { MethodPlace } from "../method.ts";
import { describeEnd } from "./tools.ts";

/** Git's name of all that is in the checkout, ignored files too, whatever its own repository thinks of it. */
export type TreeName = { kind: "tree"; name: string } | { kind: "unknown"; why: string };

const SECONDS = 300;
/** Neither the repository's settings nor the user's say what is looked at, or how. */
const ALONE = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
};

/** @param folder within `place.scratch`, another one each time. */
export async function nameTree(
  place: Pick<MethodPlace, "run" | "tree" | "scratch">,
  folder: string,
): Promise<TreeName> {
  const directory = `${place.scratch}/${folder}`;
  const git = [
    "git",
    "-c",
    "core.bare=false",
    "-c",
    "core.attributesFile=/dev/null",
    `--git-dir=${directory}`,
    `--work-tree=${place.tree}`,
  ] as const;
  const commands: (readonly [string, ...string[]])[] = [
    ["git", "init", "--quiet", "--bare", directory],
    [...git, "add", "--all", "--force", "--", "."],
    [...git, "write-tree"],
  ];
  let name = "";
  for (const argv of commands) {
    const end = await place.run(argv, { env: ALONE, timeoutSeconds: SECONDS });
    if (end.exitCode !== 0)
      return { kind: "unknown", why: `git ${describeEnd(end)}: ${end.log.trim().slice(-500)}` };
    name = end.stdout.trim();
  }
  return { kind: "tree", name };
}
