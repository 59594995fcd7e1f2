import { posix } from "node:path";
import type { LaunchResult, Workspace } from "../nix/launch.ts";
import { describeLaunch, ended, text } from "../nix/launch.ts";
import { clean } from "../nix/log/clean.ts";
import { gitScript } from "./git.ts";

/**
 * Everything about one commit in one program start: each start costs more than what git does in it. The bare repository
 * and the files stay, so that the next commit fetches and writes what has changed.
 *
 * Arguments: repository, files, address, commit, ref or "", number of the ref that keeps it, object format, tree or "",
 * "export" for a whole tree, "nested" for files inside another's, "checkout" for a repository beneath the files with
 * HEAD set. Prints `<tree> <bytes of the gitlinks>
 * <bytes of .gitmodules>`, both, and for an export without gitlinks the path of its copy in the store.
 */
const SCRIPT = String.raw`
set -eu
dir=$1 tree=$2 url=$3 sha=$4 ref=$5 slot=$6 format=$7 want=$8 how=$9
umask 022
if [ ! -d "$dir" ]; then git init --quiet --template= --object-format="$format" --bare "$dir"
else find "$dir" -name '*.lock' -delete; fi
export GIT_DIR="$dir"
if ! git cat-file -e "$sha^{tree}" 2>/dev/null; then
  get() { git fetch --quiet --depth=1 --no-tags --no-recurse-submodules --end-of-options "$url" "+$1:refs/snowcat/$slot"; }
  get "$sha" || { [ -n "$ref" ] && get "$ref"; } || exit 91
  git cat-file -e "$sha^{tree}" 2>/dev/null || exit 92
fi
found=$(git rev-parse --verify --quiet --end-of-options "$sha^{tree}")
if [ -n "$want" ] && [ "$found" != "$want" ]; then printf '%s\n' "$found"; exit 93; fi
last=$(cat "$dir/last" 2>/dev/null || :)
stored=$(cat "$dir/stored" 2>/dev/null || :)
if [ "$how" = export ] && [ "$last" = "$found" ] && [ -n "$stored" ] && nix-store --check-validity "$stored" 2>/dev/null; then
  printf '%s 0 0\n%s\n' "$found" "$stored"
  exit 0
fi
rm -f "$dir/last" "$dir/stored"
# What git writes for a file that has not changed depends on the attributes it has now.
if [ -z "$last" ] || git diff-tree -r --name-only "$last" "$found" | grep -q '\(^\|/\)\.gitattributes$'; then
  if [ "$how" = export ]; then rm -rf "$tree"; fi
  rm -f "$dir/index"
fi
mkdir -p "$tree"
git --work-tree "$tree" read-tree --reset -u "$found"
: > "$dir/links"; : > "$dir/modules"
if git cat-file -e "$found:.gitmodules" 2>/dev/null; then
  git ls-tree -r -z "$found" | grep -z '^160000 ' > "$dir/links" || :
  git config --blob "$found:.gitmodules" -z --get-regexp '^submodule\..*\.(path|url)$' > "$dir/modules" || :
fi
if [ "$how" = checkout ]; then
  git config core.bare false
  git update-ref --no-deref HEAD "$sha"
elif [ "$how" = export ] && [ ! -s "$dir/links" ]; then printf '%s\n' "$found" > "$dir/last"; fi
printf '%s %s %s\n' "$found" "$(wc -c < "$dir/links")" "$(wc -c < "$dir/modules")"
cat "$dir/links" "$dir/modules"
if [ "$how" = export ] && [ ! -s "$dir/links" ]; then
  nix-store --add "$tree" > "$dir/adding"
  mv "$dir/adding" "$dir/stored"
  cat "$dir/stored"
fi
`;

export interface MirrorRequest {
  readonly workspace: Workspace;
  /** The bare repository, as the job's programs see it. */
  readonly directory: string;
  /** Where the files go; its last part is `source` where it is a whole tree. */
  readonly tree: string;
  readonly url: string;
  readonly sha: string;
  /** Asked for where the host does not give out the commit by name. */
  readonly ref: string | null;
  readonly wanted: string | null;
  readonly how: "export" | "nested" | "checkout";
  /** Null where the commit is there already and nothing is asked of the network. */
  readonly network: { readonly token: string | null } | null;
  /** One of a few refs that keep what was fetched, so that the next fetch can build on it. */
  readonly slot: number;
  readonly signal: AbortSignal;
}

export type Mirrored =
  | {
      readonly kind: "there";
      readonly links: string;
      readonly modules: string;
      /** The copy in the store; null where gitlinks have to be filled first, and where it is no export. */
      readonly storePath: string | null;
    }
  /** git could not fetch; its words. */
  | { readonly kind: "unfetched"; readonly said: string }
  | { readonly kind: "gone" }
  | { readonly kind: "other-tree"; readonly tree: string }
  | { readonly kind: "broken"; readonly said: string };

/** A fetch that takes longer hangs (ms). */
const FETCH_MS = 600_000;

/** Fetches a commit unless it is there, and lays its files out. No filter and no hook runs. */
export async function mirror(request: MirrorRequest): Promise<Mirrored> {
  const { workspace, url, sha, network, signal } = request;
  const result = await gitScript(
    workspace,
    SCRIPT,
    [
      request.directory,
      request.tree,
      url,
      sha,
      request.ref ?? "",
      String(request.slot),
      sha.length === 64 ? "sha256" : "sha1",
      request.wanted ?? "",
      request.how,
    ],
    {
      signal,
      timeoutMs: FETCH_MS,
      maxOutput: 64 * 1_024 * 1_024,
      ...(network === null ? {} : { url, token: network.token }),
    },
  );
  signal.throwIfAborted();
  return ended(result) ? read(text(result.stdout)) : failure(result);
}

function read(printed: string): Mirrored {
  const end = printed.indexOf("\n");
  const [, links = 0, modules = 0] = printed.slice(0, end).split(" ").map(Number);
  // Lengths are in bytes, and names may be anything.
  const rest = Buffer.from(printed.slice(end + 1));
  const path = rest
    .subarray(links + modules)
    .toString()
    .trim();
  return {
    kind: "there",
    links: rest.subarray(0, links).toString(),
    modules: rest.subarray(links, links + modules).toString(),
    storePath: path === "" ? null : path,
  };
}

function failure(result: LaunchResult): Mirrored {
  const said = clean(text(result.stderr)).trim().slice(-2_000);
  if (result.timedOut) return { kind: "unfetched", said: `${describeLaunch(result)}: ${said}` };
  switch (result.exitCode) {
    case 91:
      return { kind: "unfetched", said };
    case 92:
      return { kind: "gone" };
    case 93:
      return { kind: "other-tree", tree: text(result.stdout).trim() };
    default:
      return { kind: "broken", said: `git ${describeLaunch(result)}: ${said}` };
  }
}

/** Copies a tree whose submodules are filled in to the store. @returns its path there, or what went wrong. */
export async function addToStore(
  workspace: Workspace,
  tree: string,
  signal: AbortSignal,
): Promise<{ storePath: string } | { said: string }> {
  const result = await workspace.launch({
    argv: ["nix-store", "--add", tree],
    network: "none",
    signal,
  });
  signal.throwIfAborted();
  if (ended(result)) return { storePath: text(result.stdout).trim() };
  return {
    said: `nix-store --add ${describeLaunch(result)}: ${text(result.stderr).slice(-1_000)}`,
  };
}

/** Where a mirror's repository and files are beneath a job's directory. */
export function mirrorPlace(
  workspace: Workspace,
  number: number,
): { directory: string; tree: string } {
  return {
    directory: posix.join(workspace.directory, `git-${number}`),
    tree: posix.join(workspace.directory, `tree-${number}`, "source"),
  };
}
