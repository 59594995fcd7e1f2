import { basename } from "node:path";
import { StorePath } from "../../../../protocol/identifiers.ts";
import type { ToolWork } from "../../../../protocol/tool.ts";
import type { MethodPlace } from "../method.ts";

export type KubernetesTool = Extract<ToolWork, { kind: "kubernetes" }>;
export type ClusterPlace = Pick<MethodPlace, "tree" | "scratch" | "run" | "write">;

/** What the repository made to deploy itself: a program in the store. `system` is its output, and what a cluster "runs". */
export type Program = { readonly system: string; readonly file: string };
export type Built =
  | { kind: "built"; program: Program }
  | { kind: "failed"; why: string }
  | { kind: "missing"; why: string };

/** Builds what the entry names, and nothing beside it: a file of Nix is a function full of things, some of which push. */
export async function buildProgram(
  place: ClusterPlace,
  entry: KubernetesTool["entry"],
  timeoutSeconds: number,
): Promise<Built> {
  const built = await place.run(argvOf(entry, place.tree), { timeoutSeconds });
  if (built.exitCode !== 0)
    return { kind: "failed", why: `${entry.attribute} was not built\n${built.log}` };
  const lines = built.stdout.split("\n").filter((line) => line !== "");
  const [system] = lines;
  if (lines.length !== 1 || system === undefined || !StorePath.safeParse(system).success)
    return {
      kind: "failed",
      why: `${entry.attribute} is not one output of the store: ${lines.join(" ")}`,
    };
  return await programOf(place, system, timeoutSeconds);
}

/** The program of an output: itself, or the one in its `bin`. Brought from a cache where the store has it no more. */
export async function programOf(
  place: ClusterPlace,
  system: string,
  timeoutSeconds: number,
): Promise<Built> {
  const realised = await place.run(["nix-store", "--realise", system], {
    timeoutSeconds,
    quiet: true,
  });
  if (realised.exitCode !== 0)
    return {
      kind: "missing",
      why: `${system} is not in the runner's store, and no cache has it\n${realised.log}`,
    };
  const found = await place.run(
    ["find", "-L", system, "-maxdepth", "2", "-type", "f", "-perm", "-u+x"],
    {
      timeoutSeconds,
      quiet: true,
    },
  );
  const files = found.stdout
    .split("\n")
    .filter((file) => file === system || file.startsWith(`${system}/bin/`));
  const name = basename(system).slice(33);
  const file = files.length === 1 ? files[0] : files.find((one) => basename(one) === name);
  return file === undefined
    ? {
        kind: "failed",
        why: `${system} has ${files.length} programs in its bin, and none is named ${name}: the attribute has to be a deployment script`,
      }
    : { kind: "built", program: { system, file } };
}

function argvOf(entry: KubernetesTool["entry"], tree: string): [string, ...string[]] {
  if (entry.kind === "file")
    return [
      "nix-build",
      `${tree}/${entry.file}`,
      "--no-out-link",
      "-A",
      entry.attribute,
      ...Object.entries(entry.args).flatMap(([name, value]) => ["--argstr", name, value]),
    ];
  const directory = entry.directory === "." ? tree : `${tree}/${entry.directory}`;
  return [
    "nix",
    "--extra-experimental-features",
    "nix-command flakes",
    "build",
    "--no-link",
    "--print-out-paths",
    `path:${directory}#${entry.attribute}`,
  ];
}

/** Said by each run as it needs them. */
const OURS: ReadonlySet<string> = new Set(["--yes", "-y", "--short-output"]);

/** Arguments for one run of it. `dry` and `prune` are said in the tool's own words, and held by the gate besides. */
export function argumentsOf(
  { file }: Program,
  given: readonly string[],
  { dry, prune }: { dry: boolean; prune: boolean },
): readonly string[] {
  const own = given.filter((word) => !OURS.has(word));
  if (basename(file) === "kubenix") return kubenix(own, dry, prune);
  return [
    ...(dry ? ["--dry-run"] : ["--yes"]),
    // Values of what changes do not belong in a log.
    "--short-output",
    ...(prune ? ["--prune"] : []),
    ...own,
  ];
}

/**
 * `kubenix apply` always prunes, and `kubectl` refuses that without `--all` or a selector; any other first word is handed on
 * to `kubectl` as it is, with the manifest on stdin (hall/kubenix pkgs/kubenix.sh@0849b2d).
 */
function kubenix(given: readonly string[], dry: boolean, prune: boolean): readonly string[] {
  const rehearsed = dry ? ["--dry-run=server"] : [];
  if (!prune) return ["--request-timeout=0", "apply", "-f", "-", ...rehearsed, ...given];
  const isSelected = given.some((word) => /^(-l|--selector)/u.test(word));
  return ["apply", ...(isSelected ? [] : ["--all"]), ...rehearsed, ...given];
}
