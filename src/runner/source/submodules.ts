import { posix } from "node:path";

export interface Submodule {
  /** Relative to the tree. */
  readonly path: string;
  readonly url: string;
  readonly sha: string;
}

/** What a commit says about its submodules, as git prints it. */
export interface Declared {
  /** `ls-tree -z` lines of the gitlinks. */
  readonly links: string;
  /** `config -z` lines of `.gitmodules`. */
  readonly modules: string;
  readonly cloneUrl: string;
}

/** The gitlinks that `.gitmodules` has an address for; the others stay empty folders, as git leaves them. */
export function submodules({ links, modules, cloneUrl }: Declared): {
  found: Submodule[];
  skipped: string[];
} {
  const declared = readModules(modules);
  const found: Submodule[] = [];
  const skipped: string[] = [];
  for (const entry of links.split("\0")) {
    const [, sha, path] = /^160000 commit ([0-9a-f]+)\t(.+)$/su.exec(entry) ?? [];
    if (sha === undefined || path === undefined) continue;
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
    // Above the root there is nothing else than the root.
    return new URL(posix.join(base.pathname, url), base.origin).href;
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
