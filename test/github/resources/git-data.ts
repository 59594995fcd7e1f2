import { Refused, created, invalid, noContent, notFound, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import type { Call, Handlers } from "../call.ts";
import { readCommit } from "../commits.ts";
import { zeroSha } from "../git.ts";
import { refsMoved } from "../pushes.ts";
import { emailOf, nodeId } from "../render/account.ts";
import { renderGitCommit } from "../render/commit.ts";
import { apiUrl } from "../render/repository.ts";
import { page } from "../call.ts";
import { guardFault } from "../merging.ts";

const renderRef = async (call: Call, ref: string, sha: string) => ({
  ref,
  node_id: nodeId("Ref", `${call.repo.id}:${ref}`),
  url: `${apiUrl(call.world, call.repo)}/git/${ref.split("/").map(encodeURIComponent).join("/")}`,
  object: {
    sha,
    type: (await call.repo.git.objectType(sha)) ?? "commit",
    url: `${apiUrl(call.world, call.repo)}/git/commits/${sha}`,
  },
});

/** "heads/main" of the path; GitHub takes no "refs/" here. */
const refName = (call: Call): string => `refs/${call.params["ref"] ?? ""}`;

async function current(call: Call, ref: string): Promise<string | undefined> {
  return (await call.repo.git.refs(ref)).get(ref);
}

function writable(ref: string): void {
  if (!/^refs\/(heads|tags)\/./.test(ref))
    throw invalid("Reference name must start with 'refs/heads/' or 'refs/tags/' and have a name");
}

async function move(call: Call, ref: string, before: string, after: string): Promise<void> {
  const { world, repo } = call;
  if (!(await repo.git.moveRef({ ref, before, after })))
    throw invalid("Reference cannot be updated");
  await refsMoved(world, repo, [{ ref, before, after }], authorOf(world, call.actor));
}

async function guard(call: Call, ref: string, sha: string): Promise<void> {
  const branch = ref.slice("refs/heads/".length);
  const fault = await guardFault(
    call.world,
    call.repo,
    branch,
    sha,
    authorOf(call.world, call.actor),
  );
  if (fault) throw new Refused(422, fault);
}

interface TreeEntry {
  path?: string;
  mode?: string;
  type?: string;
  sha?: string | null;
  content?: string;
}

export const gitData: Handlers = {
  "git/get-ref": async (call) => {
    const sha = await current(call, refName(call));
    if (sha === undefined) throw notFound();
    return ok(await renderRef(call, refName(call), sha));
  },

  "git/list-matching-refs": async (call) => {
    const all = [...(await call.repo.git.refs())].filter(([ref]) => ref.startsWith(refName(call)));
    return page(call, all, ([ref, sha]) => renderRef(call, ref, sha));
  },

  "git/create-ref": (call) =>
    call.repo.git.exclusively(async () => {
      const { ref, sha } = call.body as { ref: string; sha: string };
      writable(ref);
      if ((await call.repo.git.try(["check-ref-format", ref])).code !== 0)
        throw invalid(`${ref} is not a valid ref name.`);
      if ((await current(call, ref)) !== undefined)
        throw new Refused(422, "Reference already exists");
      if ((await call.repo.git.objectType(sha)) === undefined)
        throw new Refused(422, "Object does not exist");
      await move(call, ref, zeroSha, sha);
      return created(await renderRef(call, ref, sha));
    }),

  "git/update-ref": (call) =>
    call.repo.git.exclusively(async () => {
      const { sha, force } = call.body as { sha: string; force?: boolean };
      const ref = refName(call);
      writable(ref);
      const before = await current(call, ref);
      if (before === undefined) throw new Refused(422, "Reference does not exist");
      if ((await call.repo.git.objectType(sha)) === undefined)
        throw new Refused(422, "Object does not exist");
      if (!force && !(await call.repo.git.isAncestor(before, sha)))
        throw new Refused(422, "Update is not a fast forward");
      const protection = call.repo.protections.get(ref.slice("refs/heads/".length));
      if (protection?.allowForcePushes === false && !(await call.repo.git.isAncestor(before, sha)))
        throw new Refused(422, "Cannot force-push to this branch");
      await guard(call, ref, sha);
      await move(call, ref, before, sha);
      return ok(await renderRef(call, ref, sha));
    }),

  "git/delete-ref": (call) =>
    call.repo.git.exclusively(async () => {
      const ref = refName(call);
      writable(ref);
      const before = await current(call, ref);
      if (before === undefined) throw new Refused(422, "Reference does not exist");
      if (call.repo.protections.get(ref.slice("refs/heads/".length))?.allowDeletions === false)
        throw new Refused(422, "Cannot delete this protected branch");
      await move(call, ref, before, zeroSha);
      return noContent();
    }),

  "git/get-commit": async (call) => {
    const commit = await readCommit(call.repo.git, call.params["commit_sha"] ?? "");
    if (!commit) throw notFound();
    return ok(renderGitCommit(call.world, call.repo, commit));
  },

  "git/create-commit": async (call) => {
    const { world, repo } = call;
    const body = call.body as {
      message: string;
      tree: string;
      parents?: string[];
      author?: { name: string; email: string; date?: string };
    };
    if ((await repo.git.objectType(body.tree)) !== "tree")
      throw new Refused(422, "Tree SHA does not exist");
    for (const parent of body.parents ?? []) {
      if ((await repo.git.objectType(parent)) !== "commit")
        throw new Refused(422, "Parent SHA does not exist or is not a commit object");
    }
    const account = authorOf(world, call.actor);
    const self = { name: account.login, email: emailOf(account) };
    const sha = await repo.git.commitTree(
      body.tree,
      body.parents ?? [],
      body.message,
      body.author ?? self,
      body.author?.date ?? world.stamp(),
      self,
    );
    const commit = await readCommit(repo.git, sha);
    if (!commit) throw new Error(`the commit ${sha} was written and is not there`);
    return created(renderGitCommit(world, repo, commit));
  },

  "git/get-tree": async (call) => {
    const { repo } = call;
    const named = call.params["tree_sha"] ?? "";
    const commit = await repo.git.commitOf(named);
    const id = commit ?? named;
    if (!["commit", "tree"].includes((await repo.git.objectType(id)) ?? "")) throw notFound();
    return ok(await renderTree(call, id, call.query["recursive"] !== undefined));
  },

  "git/create-tree": async (call) => {
    const { repo } = call;
    const body = call.body as { base_tree?: string; tree: TreeEntry[] };
    if (body.base_tree !== undefined && !(await repo.git.objectType(body.base_tree)))
      throw new Refused(422, "base_tree is not a valid tree oid");
    const sha = await repo.git.withIndex(async (env) => {
      if (body.base_tree !== undefined) await repo.git.git(["read-tree", body.base_tree], { env });
      let input = "";
      for (const entry of body.tree) {
        const { path = "", mode = "100644" } = entry;
        if (path === "" || path.startsWith("/") || path.includes("\0"))
          throw new Refused(422, "tree.path contains a malformed path component");
        const blob =
          entry.content === undefined
            ? entry.sha
            : (await repo.git.git(["hash-object", "-w", "--stdin"], { input: entry.content }))
                .toString()
                .trim();
        if (blob === undefined) throw new Refused(422, "tree.sha or tree.content is required");
        // A commit in a tree is a submodule and lives elsewhere.
        if (blob !== null && mode !== "160000" && !(await repo.git.objectType(blob)))
          throw new Refused(422, `tree.sha ${blob} is not a valid object`);
        input += `${blob === null ? "0" : mode} ${blob ?? zeroSha}\t${path}\0`;
      }
      const done = await repo.git.try(["update-index", "-z", "--index-info"], { env, input });
      if (done.code !== 0) throw new Refused(422, "tree contains a malformed entry");
      return (await repo.git.git(["write-tree"], { env })).toString().trim();
    });
    return created(await renderTree(call, sha, false));
  },

  "git/get-blob": async (call) => {
    const sha = call.params["file_sha"] ?? "";
    if ((await call.repo.git.objectType(sha)) !== "blob") throw notFound();
    const content = await call.repo.git.git(["cat-file", "blob", sha]);
    return ok({
      ...blobStub(call, sha),
      size: content.length,
      content: content.toString("base64"),
      encoding: "base64",
    });
  },

  "git/create-blob": async (call) => {
    const body = call.body as { content: string; encoding?: string };
    const input = Buffer.from(body.content, body.encoding === "base64" ? "base64" : "utf8");
    const sha = (await call.repo.git.git(["hash-object", "-w", "--stdin"], { input }))
      .toString()
      .trim();
    const { url } = blobStub(call, sha);
    return created({ sha, url });
  },
};

const blobStub = (call: Call, sha: string) => ({
  sha,
  node_id: nodeId("Blob", sha),
  url: `${apiUrl(call.world, call.repo)}/git/blobs/${sha}`,
});

async function renderTree(call: Call, id: string, recursive: boolean) {
  const { repo, world } = call;
  const sha = (await repo.git.git(["rev-parse", "--verify", `${id}^{tree}`])).toString().trim();
  const listing = (
    await repo.git.git(["ls-tree", "-z", "-l", ...(recursive ? ["-r", "-t"] : []), sha])
  ).toString();
  const tree = listing
    .split("\0")
    .filter(Boolean)
    .map((line) => {
      const [, mode = "", type = "", object = "", size = "", path = ""] =
        /^(\d+) (\w+) ([0-9a-f]+) +(\S+)\t([^]*)$/.exec(line) ?? [];
      const folder = type === "tree" ? "trees" : "blobs";
      return {
        path,
        mode,
        type,
        sha: object,
        ...(size === "-" ? {} : { size: Number(size) }),
        ...(type === "commit" ? {} : { url: `${apiUrl(world, repo)}/git/${folder}/${object}` }),
      };
    });
  return { sha, url: `${apiUrl(world, repo)}/git/trees/${sha}`, tree, truncated: false };
}
