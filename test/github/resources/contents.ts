import { notFound, ok, Refused } from "../answer.ts";
import type { Call, Handlers } from "../call.ts";
import { apiUrl, htmlUrl } from "../render/repository.ts";

interface Entry {
  mode: string;
  type: string;
  sha: string;
  size: number;
  name: string;
  path: string;
}

/** Larger files have no content in the JSON form (GitHub: 1–100 MB need the raw form). */
const largestContent = 1024 * 1024;

async function list(call: Call, tree: string, folder: string): Promise<Entry[]> {
  const text = (await call.repo.git.git(["ls-tree", "-z", "-l", tree])).toString();
  return text
    .split("\0")
    .filter(Boolean)
    .map((line) => {
      const [, mode = "", type = "", sha = "", size = "", name = ""] =
        /^(\d+) (\w+) ([0-9a-f]+) +(\S+)\t([^]*)$/.exec(line) ?? [];
      return {
        mode,
        type,
        sha,
        size: Number(size) || 0,
        name,
        path: folder === "" ? name : `${folder}/${name}`,
      };
    });
}

const kindOf = (entry: Entry): string =>
  entry.type === "tree"
    ? "dir"
    : entry.type === "commit"
      ? "submodule"
      : entry.mode === "120000"
        ? "symlink"
        : "file";

function render(call: Call, entry: Entry, ref: string, listed: boolean) {
  const { world, repo } = call;
  const path = entry.path.split("/").map(encodeURIComponent).join("/");
  const self = `${apiUrl(world, repo)}/contents/${path}?ref=${encodeURIComponent(ref)}`;
  const git = `${apiUrl(world, repo)}/git/${entry.type === "tree" ? "trees" : "blobs"}/${entry.sha}`;
  const html = `${htmlUrl(world, repo)}/blob/${encodeURIComponent(ref)}/${path}`;
  const kind = kindOf(entry);
  return {
    // In listings GitHub calls a submodule "file", for old clients' sake.
    type: listed && kind === "submodule" ? "file" : kind,
    name: entry.name,
    path: entry.path,
    sha: entry.sha,
    size: entry.size,
    url: self,
    git_url: git,
    html_url: html,
    download_url:
      kind === "file" ? `${htmlUrl(world, repo)}/raw/${encodeURIComponent(ref)}/${path}` : null,
    _links: { self, git, html },
  };
}

export const contents: Handlers = {
  "repos/get-content": async (call) => {
    const { repo } = call;
    const ref = String(call.query["ref"] ?? repo.defaultBranch);
    const commit = await repo.git.commitOf(ref);
    if (commit === undefined) throw new Refused(404, `No commit found for the ref ${ref}`);
    const parts = (call.params["path"] ?? "").split("/").filter(Boolean);
    let tree = `${commit}^{tree}`;
    for (const [at, part] of parts.entries()) {
      const entry = (await list(call, tree, parts.slice(0, at).join("/"))).find(
        (one) => one.name === part,
      );
      if (!entry) throw notFound();
      if (entry.type === "tree") {
        tree = entry.sha;
        continue;
      }
      if (at < parts.length - 1) throw notFound();
      return ok(await whole(call, entry, ref));
    }
    return ok(
      (await list(call, tree, parts.join("/"))).map((entry) => render(call, entry, ref, true)),
    );
  },

  "repos/download-tarball-archive": async (call) => {
    const { repo, world } = call;
    const sha = await repo.git.commitOf(call.params["ref"] || repo.defaultBranch);
    if (sha === undefined) throw notFound();
    const name = `${world.fullName(repo).replace("/", "-")}-${sha.slice(0, 7)}`;
    const raw = await repo.git.git(["archive", "--format=tar.gz", `--prefix=${name}/`, sha]);
    // GitHub redirects to a short-lived address of its download host; the double answers at once.
    return {
      status: 200,
      raw,
      headers: {
        "content-type": "application/x-gzip",
        "content-disposition": `attachment; filename=${name}.tar.gz`,
      },
    };
  },
};

export async function whole(call: Call, entry: Entry, ref: string) {
  const base = render(call, entry, ref, false);
  if (base.type === "submodule") return { ...base, submodule_git_url: "" };
  const bytes = await call.repo.git.git(["cat-file", "blob", entry.sha]);
  if (base.type === "symlink") return { ...base, target: bytes.toString() };
  if (bytes.length > largestContent) return { ...base, content: "", encoding: "none" };
  // GitHub wraps base64 at 60 characters.
  return {
    ...base,
    content: bytes.toString("base64").replace(/(.{60})/g, "$1\n"),
    encoding: "base64",
  };
}
