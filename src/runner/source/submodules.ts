import { posix } from "node:path";
import type { Workspace } from "../nix/launch.ts";
import { ended, text } from "../nix/launch.ts";
import { git } from "./git.ts";

export interface Submodule {
  /** Relative to the tree. */
  readonly path: string;
  readonly url: string;
  readonly sha: string;
}

/** The gitlinks of a commit that `.gitmodules` has an address for; the others stay empty folders, as git leaves them. */
export async function submodules(
  workspace: Workspace,
  gitDirectory: string,
  commit: string,
  cloneUrl: string,
  signal: AbortSignal,
): Promise<{ found: Submodule[]; skipped: string[] }> {
  const listed = await git(workspace, ["--git-dir", gitDirectory, "ls-tree", "-r", "-z", commit], {
    signal,
    maxOutput: 256 * 1_024 * 1_024,
  });
  if (!ended(listed))
    throw new Error(`listing the tree's submodules: git exited with ${listed.exitCode}`);
  const links = new Map<string, string>();
  for (const entry of text(listed.stdout).split("\0")) {
    const [, sha, path] = /^160000 commit ([0-9a-f]+)\t(.+)$/su.exec(entry) ?? [];
    if (sha !== undefined && path !== undefined) links.set(path, sha);
  }
  if (links.size === 0) return { found: [], skipped: [] };
  const config = await git(
    workspace,
    [
      "--git-dir",
      gitDirectory,
      "config",
      "--blob",
      `${commit}:.gitmodules`,
      "-z",
      "--get-regexp",
      String.raw`^submodule\..*\.(path|url)$`,
    ],
    { signal },
  );
  const declared = readModules(ended(config) ? text(config.stdout) : "");
  const found: Submodule[] = [];
  const skipped: string[] = [];
  for (const [path, sha] of links) {
    const url = resolveUrl(declared.get(path), cloneUrl);
    if (url === null || !isInside(path)) skipped.push(path);
    else found.push({ path, url, sha });
  }
  return { found, skipped };
}

/** Path → address, from git's `key\nvalue\0` lines. */
function readModules(printed: string): Map<string, string> {
  const modules = new Map<string, { path?: string; url?: string }>();
  for (const line of printed.split("\0")) {
    const [, name = "", key = "", value = ""] =
      /^submodule\.(.*)\.(path|url)\n(.*)$/su.exec(line) ?? [];
    if (key !== "") modules.set(name, { ...modules.get(name), [key]: value });
  }
  return new Map(
    [...modules.values()].flatMap(({ path, url }) =>
      path !== undefined && url !== undefined ? [[path, url] as const] : [],
    ),
  );
}

/** https only, and relative addresses of the repository's own host. */
export function resolveUrl(url: string | undefined, cloneUrl: string): string | null {
  if (url === undefined) return null;
  const base = new URL(cloneUrl);
  if (/^\.\.?\//u.test(url)) {
    const path = posix.normalize(posix.join(base.pathname, url));
    return path.startsWith("/..") ? null : new URL(path, base.origin).href;
  }
  const parsed = URL.parse(url);
  if (parsed === null || parsed.username !== "" || parsed.password !== "") return null;
  return parsed.protocol === "https:" || parsed.origin === base.origin ? parsed.href : null;
}

function isInside(path: string): boolean {
  return (
    !posix.isAbsolute(path) &&
    !path
      .split("/")
      .some((part) => part === ".." || part === "." || part === "" || part.toLowerCase() === ".git")
  );
}
