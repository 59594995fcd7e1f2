const STORE = "/nix/store/";
const HASH = 32;

/** Outputs whose name stands behind the version. */
const OUTPUTS = /-(?:bin|dev|lib|man|doc|devdoc|info|debug|static|data|out)$/u;

/** What stands behind the hash of a store path; `.drv` left out. */
export function nameOf(path: string): string {
  const base = path.startsWith(STORE) ? path.slice(STORE.length) : path;
  return base.slice(HASH + 1).replace(/\.drv$/u, "");
}

/** Name and version by Nix's own rule: the version begins behind the first dash that no letter follows. */
export function packageOf(name: string): { name: string; version: string } {
  const dash = /-(?![A-Za-z])/u.exec(name);
  if (dash === null || dash.index === 0) return { name, version: "" };
  return {
    name: name.slice(0, dash.index),
    version: name.slice(dash.index + 1).replace(OUTPUTS, ""),
  };
}
