import { posix } from "node:path";
import type { Source } from "../../protocol/source.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { Workspace } from "../nix/launch.ts";
import { describeLaunch, ended, text } from "../nix/launch.ts";
import { clean } from "../nix/log/clean.ts";
import type { Mirrored, MirrorRequest } from "./mirror.ts";
import { addToStore, mirror, mirrorPlace } from "./mirror.ts";
import type { Kept, Mirrors } from "./mirrors.ts";
import type { Submodule } from "./submodules.ts";
import { submodules } from "./submodules.ts";
import type { SourceAccess } from "./access.ts";
import { accessTo } from "./access.ts";
import { explainRefusal } from "./refusal.ts";

export interface FetchOptions {
  /** The job's. */
  readonly workspace: Workspace;
  /** Null: nothing is kept, the job's own directory is used. */
  readonly mirrors: Mirrors | null;
  /** Names the repository for good: host and number. */
  readonly repository: string;
  readonly source: Source;
  /** `store`: a copy in the store is enough. `job`: the files are wanted in the job's directory. */
  readonly place: "store" | "job";
  readonly access: SourceAccess;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export type Fetched =
  /** `tree`: the checked-out files, as the job's programs see them. `revision`: set when it is a git checkout. */
  | { readonly kind: "fetched"; readonly tree: string; readonly revision: string | null }
  | { readonly kind: "refused"; readonly verdict: Verdict };

/** Submodules inside submodules are followed this far, and one tree has so many at most. */
const SUBMODULES = { depth: 4, count: 256 } as const;
/** Refs that keep commits of a repository: what the next fetch builds on. */
const SLOTS = 16;

/**
 * Fetches a commit, insists on its tree, and lays its files out: as a copy in the store without `.git`, the same for equal
 * trees; or as a git checkout in the job's directory, where the flake is to see its revision.
 */
export async function fetchSource(options: FetchOptions): Promise<Fetched> {
  const { workspace, source, mirrors, repository, signal } = options;
  try {
    if (source.revision) return await checkout(options);
    const storePath =
      (await mirrors?.use(repository, (kept) => copied(options, kept))) ??
      (await copied(options, { workspace, places: new Map() }));
    if (options.place === "store") return { kind: "fetched", tree: storePath, revision: null };
    return { kind: "fetched", tree: await unpacked(options, storePath), revision: null };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Refusal)) throw error;
    if (error.broken) mirrors?.forget(repository);
    return { kind: "refused", verdict: error.verdict };
  }
}

/** An expected failure: the network, the host, a commit that has gone. */
class Refusal extends Error {
  readonly verdict: Verdict;
  /** What is kept of the repository may be the reason. */
  readonly broken: boolean;
  constructor(verdict: Verdict & { message: string }, broken = false) {
    super(verdict.message);
    this.verdict = verdict;
    this.broken = broken;
  }
}

function infrastructure(message: string, broken = false): Refusal {
  return new Refusal({ kind: "infrastructure", message, logTail: "" }, broken);
}

/** The tree with its submodules, in the store. */
async function copied(options: FetchOptions, kept: Kept): Promise<string> {
  const { source, signal } = options;
  const { cloneUrl, sha, ref, tree: wanted } = source;
  const top = await fetched(options, kept, { url: cloneUrl, sha, ref, wanted, how: "export" });
  if (top.storePath !== null) return top.storePath;
  await fill(options, kept, top, cloneUrl, 0, { left: SUBMODULES.count });
  const added = await addToStore(kept.workspace, top.tree, signal);
  if ("said" in added) throw infrastructure(`copying the tree to the store: ${added.said}`, true);
  return added.storePath;
}

async function checkout({ source, workspace, ...rest }: FetchOptions): Promise<Fetched> {
  const tree = posix.join(workspace.directory, "source");
  const options = { ...rest, source, workspace };
  const { cloneUrl, sha, ref, tree: wanted } = source;
  const kept: Kept = { workspace, places: new Map() };
  const there = { directory: posix.join(tree, ".git"), tree };
  const asked = { url: cloneUrl, sha, ref, wanted, how: "checkout", there } as const;
  const top = await fetched(options, kept, asked);
  await fill(options, kept, top, cloneUrl, 0, { left: SUBMODULES.count });
  return { kind: "fetched", tree, revision: sha };
}

type Asked = Pick<MirrorRequest, "url" | "sha" | "ref" | "wanted" | "how"> & {
  readonly there?: { readonly directory?: string; readonly tree: string };
  readonly submodule?: Submodule;
};
type There = Extract<Mirrored, { kind: "there" }> & { readonly tree: string };

async function fetched(options: FetchOptions, kept: Kept, asked: Asked): Promise<There> {
  const { source, access, signal, say } = options;
  const { url, sha, wanted, ref, how } = asked;
  const place = kept.places.get(url) ?? { number: kept.places.size, commits: new Set() };
  kept.places.set(url, place);
  const at = { ...mirrorPlace(kept.workspace, place.number), ...asked.there };
  const isThere = place.commits.has(sha);
  if (!isThere) say(`fetching ${sha} of ${url}`);
  const token = isThere ? null : await accessTo(access, url, source.cloneUrl);
  const found = await mirror({
    workspace: kept.workspace,
    url,
    sha,
    wanted,
    ref,
    how,
    signal,
    ...at,
    network: isThere ? null : { token },
    slot: place.commits.size % SLOTS,
  });
  switch (found.kind) {
    case "there":
      place.commits.add(sha);
      return { ...found, tree: at.tree };
    case "broken":
      throw infrastructure(`laying out ${sha} of ${url}: ${found.said}`, true);
    case "other-tree":
      throw infrastructure(
        `commit ${sha} has the tree ${found.tree}, and the job is for the tree ${wanted ?? ""}: what was fetched is not what was asked for`,
      );
    case "gone":
    case "unfetched": {
      const said = found.kind === "gone" ? `${ref ?? "it"} does not hold it any more` : found.said;
      if (asked.submodule === undefined) throw infrastructure(`fetching ${sha} of ${url}: ${said}`);
      throw new Refusal(await explainRefusal(asked.submodule, said, access));
    }
  }
}

/** Fills the folders of submodules, those inside them too. */
async function fill(
  options: FetchOptions,
  kept: Kept,
  { links, modules, tree }: There,
  cloneUrl: string,
  depth: number,
  budget: { left: number },
): Promise<void> {
  const { found, skipped } = submodules({ links, modules, cloneUrl });
  for (const path of skipped)
    options.say(
      `submodule ${JSON.stringify(path)} has no address that can be fetched: its folder stays empty`,
    );
  for (const submodule of found) {
    budget.left -= 1;
    if (depth >= SUBMODULES.depth || budget.left < 0) {
      const limit = `submodules are nested deeper than ${SUBMODULES.depth}, or are more than ${SUBMODULES.count}`;
      throw new Refusal({ kind: "evaluation-error", message: limit, position: null });
    }
    const { url, sha, path } = submodule;
    const there = { tree: posix.join(tree, path) };
    const asked = { url, sha, ref: null, wanted: null, how: "nested", there, submodule } as const;
    const inner = await fetched(options, kept, asked);
    await fill(options, kept, inner, url, depth + 1, budget);
  }
}

/** Files of the job's own, with the age that they have in the store. */
async function unpacked({ workspace, signal }: FetchOptions, storePath: string): Promise<string> {
  const tree = posix.join(workspace.directory, "source");
  const result = await workspace.launch({
    argv: [
      "sh",
      "-c",
      'cp -R --no-dereference --preserve=mode,timestamps -- "$1" "$2" && chmod -R u+w -- "$2"',
      "sh",
      storePath,
      tree,
    ],
    network: "none",
    signal,
  });
  if (ended(result)) return tree;
  const said = clean(text(result.stderr)).trim().slice(-1_000);
  throw infrastructure(`laying out the files: ${describeLaunch(result)}: ${said}`);
}
