import { Refused, created, notFound, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import type { Call, Handlers } from "../call.ts";
import { readCommit } from "../commits.ts";
import { zeroSha } from "../git.ts";
import { guardFault } from "../merging.ts";
import { refsMoved } from "../pushes.ts";
import { emailOf } from "../render/account.ts";
import { renderGitCommit } from "../render/commit.ts";
import { treeWith } from "../trees.ts";
import { whole } from "./contents.ts";

/** Files written and deleted by GitHub's editor and `PUT …/contents/…`: one commit each, with a push's events. */

interface Person {
  name?: string;
  email?: string;
  date?: string;
}

interface FileInput {
  message: string;
  content?: string;
  sha?: string;
  branch?: string;
  author?: Person;
  committer?: Person;
}

interface Known {
  mode: string;
  type: string;
  sha: string;
  size: number;
}

async function entryAt(
  call: Call,
  tip: string | undefined,
  path: string,
): Promise<Known | undefined> {
  if (tip === undefined) return undefined;
  const { git } = call.repo;
  const listed = await git.git(["--literal-pathspecs", "ls-tree", "-z", "-l", tip, "--", path]);
  const [, mode = "", type = "", sha = "", size = ""] =
    /^(\d+) (\w+) ([0-9a-f]+) +(\S+)\t/.exec(listed.toString()) ?? [];
  return sha === "" ? undefined : { mode, type, sha, size: Number(size) || 0 };
}

/** A path inside the tree, as git takes it. */
function validPath(call: Call): string {
  const path = call.params["path"] ?? "";
  const parts = path.split("/");
  if (
    parts.some((part) => ["", ".", "..", ".git"].includes(part.toLowerCase())) ||
    path.includes("\0")
  )
    throw new Refused(422, "path contains a malformed path component");
  return path;
}

function decoded(content: string): Buffer {
  const plain = content.replaceAll(/\s/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(plain) || plain.length % 4 === 1)
    throw new Refused(422, "content is not valid Base64");
  return Buffer.from(plain, "base64");
}

/** Null deletes. */
async function write(call: Call, content: Buffer | null) {
  const { world, repo } = call;
  const { git } = repo;
  const body = call.body as FileInput;
  const path = validPath(call);
  const branch = (body.branch ?? repo.defaultBranch).replace(/^refs\/heads\//, "");
  const ref = `refs/heads/${branch}`;
  const before = await git.commitOf(ref);
  // Only a repository without commits gets its first branch this way.
  if (before === undefined && (content === null || (await git.refs("refs/heads/")).size > 0))
    throw new Refused(404, `Branch ${branch} not found`);
  const known = await entryAt(call, before, path);
  if (content === null && !known) throw notFound();
  if (known?.type === "tree") throw new Refused(422, `${path} is a directory`);
  if (known && body.sha === undefined)
    throw new Refused(422, `Invalid request.\n\n"sha" wasn't supplied.`);
  if (body.sha !== undefined && body.sha !== known?.sha)
    throw new Refused(409, `${path} does not match ${body.sha}`);

  const account = authorOf(world, call.actor);
  const self = { name: account.login, email: emailOf(account) };
  const committer = { ...self, ...body.committer };
  const author = { ...committer, ...body.author };
  const mode = known?.mode === "100755" ? "100755" : "100644";
  const tree = await treeWith(git, before, { [path]: content === null ? null : { mode, content } });
  const parents = before === undefined ? [] : [before];
  const date = author.date ?? world.stamp();
  const after = await git.commitTree(tree, parents, `${body.message}\n`, author, date, committer);
  const fault = await guardFault(world, repo, branch, after, account);
  if (fault)
    throw new Refused(
      409,
      `Could not ${content === null ? "delete" : known ? "update" : "create"} file: ${fault}`,
    );
  const update = { ref, before: before ?? zeroSha, after };
  if (!(await git.moveRef(update))) throw new Refused(409, `${branch} moved meanwhile`);
  await refsMoved(world, repo, [update], account);

  const commit = await readCommit(git, after);
  if (!commit) throw new Error(`the commit ${after} was written and is not there`);
  const entry = content === null ? undefined : await entryAt(call, after, path);
  const name = path.slice(path.lastIndexOf("/") + 1);
  return {
    fresh: known === undefined,
    body: {
      content: entry ? await whole(call, { ...entry, name, path }, branch) : null,
      commit: renderGitCommit(world, repo, commit),
    },
  };
}

export const contentsWrite: Handlers = {
  "repos/create-or-update-file-contents": async (call) => {
    const content = decoded((call.body as FileInput).content ?? "");
    const done = await call.repo.git.exclusively(() => write(call, content));
    return done.fresh ? created(done.body) : ok(done.body);
  },

  "repos/delete-file": async (call) => {
    const { body } = await call.repo.git.exclusively(() => write(call, null));
    return ok(body);
  },
};
