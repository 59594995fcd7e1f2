import type { GitStore } from "./git.ts";

export interface Person {
  name: string;
  email: string;
  /** ISO 8601, UTC, whole seconds. */
  date: string;
}

export interface Commit {
  sha: string;
  tree: string;
  parents: string[];
  author: Person;
  committer: Person;
  message: string;
}

export interface FileChange {
  filename: string;
  previous: string | null;
  status: "added" | "removed" | "modified" | "renamed";
  additions: number;
  deletions: number;
  /** Blob after the change; before it for a removed file. */
  sha: string;
}

const format = ["%H", "%T", "%P", "%an", "%ae", "%at", "%cn", "%ce", "%ct", "%B"].join("%n");

/** Commits that `git log` prints for these arguments, in its order. */
export async function readLog(git: GitStore, args: string[]): Promise<Commit[]> {
  const text = (await git.git(["log", "-z", `--format=${format}`, ...args])).toString();
  return text
    .split("\0")
    .filter((record) => record.trim() !== "")
    .map(parse);
}

export async function readCommit(git: GitStore, sha: string): Promise<Commit | undefined> {
  if ((await git.objectType(sha)) !== "commit") return undefined;
  return (await git.fact(`commit ${sha}`, () => readLog(git, ["-1", sha])))[0];
}

function parse(record: string): Commit {
  const [
    sha = "",
    tree = "",
    parents = "",
    an = "",
    ae = "",
    at = "",
    cn = "",
    ce = "",
    ct = "",
    ...message
  ] = record.split("\n");
  const iso = (seconds: string): string =>
    new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");
  return {
    sha,
    tree,
    parents: parents.split(" ").filter(Boolean),
    author: { name: an, email: ae, date: iso(at) },
    committer: { name: cn, email: ce, date: iso(ct) },
    message: message.join("\n").replace(/\n+$/, ""),
  };
}

const kinds: Record<string, FileChange["status"]> = {
  A: "added",
  D: "removed",
  M: "modified",
  T: "modified",
  R: "renamed",
};

/** Files that differ between two trees or commits. */
export function readDiff(git: GitStore, from: string, to: string): Promise<FileChange[]> {
  return git.fact(`diff ${from} ${to}`, () => computeDiff(git, from, to));
}

async function computeDiff(git: GitStore, from: string, to: string): Promise<FileChange[]> {
  const args = ["diff-tree", "-r", "-M", "-z", "--no-commit-id", from, to];
  const raw = (await git.git([...args, "--raw"])).toString().split("\0");
  const counts = (await git.git([...args, "--numstat"])).toString().split("\0");
  const numbers = new Map<string, { additions: number; deletions: number }>();
  for (let at = 0; at < counts.length; at++) {
    const [additions, deletions, path] = (counts[at] ?? "").split("\t");
    if (deletions === undefined) continue;
    // A rename has an empty path here and its two paths in the next two fields.
    const name = path === "" ? (counts[(at += 2)] ?? "") : (path ?? "");
    numbers.set(name, { additions: Number(additions) || 0, deletions: Number(deletions) || 0 });
  }
  const changes: FileChange[] = [];
  for (let at = 0; at < raw.length;) {
    const head = /^:\d+ \d+ ([0-9a-f]+) ([0-9a-f]+) ([A-Z])/.exec(raw[at] ?? "");
    if (!head) break;
    const [, before = "", after = "", letter = "M"] = head;
    const renamed = letter === "R" || letter === "C";
    const filename = raw[at + (renamed ? 2 : 1)] ?? "";
    changes.push({
      filename,
      previous: renamed ? (raw[at + 1] ?? null) : null,
      status: kinds[letter] ?? "modified",
      ...(numbers.get(filename) ?? { additions: 0, deletions: 0 }),
      sha: letter === "D" ? before : after,
    });
    at += renamed ? 3 : 2;
  }
  return changes;
}

/** The empty tree, for comparing a root commit with nothing. */
export const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
