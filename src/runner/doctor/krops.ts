import type { Configuration } from "../../core/config/schema.ts";
import { FOLDERS, kropsDeclared, type KropsTree } from "../../core/krops/index.ts";
import { ended, text, type Workspace } from "../nix/launch.ts";

/** What a checkout has of krops; null where no machine is deployed by it. */
export async function kropsTreeOf(
  workspace: Workspace,
  tree: string,
  configuration: Configuration,
): Promise<KropsTree | null> {
  const declared = kropsDeclared(configuration);
  if (declared === null) return null;
  const says = async (...argv: [string, ...string[]]): Promise<string | null> => {
    const result = await workspace.launch({ argv, cwd: tree, network: "none" });
    return ended(result) ? text(result.stdout) : null;
  };
  const first = async (paths: readonly string[]): Promise<KropsTree["krops"]> => {
    for (const path of paths) {
      const content = await says("cat", "--", path);
      if (content !== null) return { path, text: content };
    }
    return null;
  };
  const [krops, build, folders] = await Promise.all([
    first(declared.krops),
    first(declared.build),
    says(
      "find",
      `${FOLDERS}/.`,
      "-mindepth",
      "1",
      "-maxdepth",
      "1",
      "-type",
      "d",
      "-printf",
      "%f\n",
    ),
  ]);
  return {
    krops,
    build,
    folders: folders === null ? null : folders.split("\n").filter((name) => name !== ""),
    shared: null,
    example: null,
    config: [],
    declared: declared.machines,
  };
}
