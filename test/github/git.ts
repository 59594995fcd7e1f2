import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { installUpdateHook } from "./update-hook.ts";

/** One bare repository on disk, driven by the real git. */

export const zeroSha = "0".repeat(40);

export interface GitResult {
  code: number;
  stdout: Buffer;
  stderr: string;
}

export interface GitOptions {
  env?: Record<string, string>;
  input?: string | Buffer;
  cwd?: string;
}

/** An environment in which no configuration of the machine or its user reaches git. */
export const gitEnvironment = (extra: Record<string, string> = {}): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  HOME: "/nonexistent",
  LC_ALL: "C",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  ...extra,
});

/** Runs git; a non-zero exit is returned, not thrown. */
export function runGit(args: string[], options: GitOptions = {}): Promise<GitResult> {
  return new Promise((resolve, reject) => {
    const child = spawn("git", args, { cwd: options.cwd, env: gitEnvironment(options.env) });
    const out: Buffer[] = [];
    let stderr = "";
    child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
    child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()));
    child.on("error", (cause) =>
      reject(new Error(`git could not be started (${args[0]})`, { cause })),
    );
    child.on("close", (code) => resolve({ code: code ?? -1, stdout: Buffer.concat(out), stderr }));
    child.stdin.on("error", () => {}); // git may exit before it has read everything; its exit code tells
    child.stdin.end(options.input ?? "");
  });
}

export interface RefUpdate {
  ref: string;
  before: string;
  after: string;
}

export interface Author {
  name: string;
  email: string;
}

export class GitStore {
  readonly dir: string;
  #queue: Promise<unknown> = Promise.resolve();
  /** Results of pure questions about objects, which never change; each question is a process otherwise. */
  readonly #facts = new Map<string, Promise<unknown>>();

  constructor(dir: string) {
    this.dir = dir;
  }

  async init(defaultBranch: string): Promise<void> {
    await this.git(["init", "-q", "--bare", `--initial-branch=${defaultBranch}`, this.dir], {
      cwd: "/",
    });
    await this.configure();
  }

  async cloneFrom(other: GitStore): Promise<void> {
    // Only branches and tags: the pull requests' refs belong to the repository they were opened in.
    await this.git(["init", "-q", "--bare", this.dir], { cwd: "/" });
    await this.configure();
    await this.git([
      "fetch",
      "-q",
      other.dir,
      "+refs/heads/*:refs/heads/*",
      "+refs/tags/*:refs/tags/*",
    ]);
    const head = (await other.git(["symbolic-ref", "HEAD"])).toString().trim();
    await this.git(["symbolic-ref", "HEAD", head]);
  }

  private async configure(): Promise<void> {
    for (const [key, value] of [
      ["uploadpack.allowAnySHA1InWant", "true"],
      ["uploadpack.allowFilter", "true"],
      ["receive.hideRefs", "refs/pull"],
      ["receive.autogc", "false"],
      ["gc.auto", "0"],
    ] as const) {
      await this.git(["config", key, value]);
    }
    await installUpdateHook(this.dir);
  }

  /** Runs git in the repository and throws on a failure. */
  async git(args: string[], options: GitOptions = {}): Promise<Buffer> {
    const result = await this.try(args, options);
    if (result.code !== 0)
      throw new Error(
        `git ${args.slice(0, 2).join(" ")} exited ${result.code} in ${this.dir}: ${result.stderr}`,
      );
    return result.stdout;
  }

  try(args: string[], options: GitOptions = {}): Promise<GitResult> {
    return runGit(args, { cwd: this.dir, ...options });
  }

  readonly #types = new Map<string, string>();

  /** Asks once. The key must hold everything the answer depends on: full SHAs, never refs. */
  fact<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#facts.get(key) as Promise<T> | undefined;
    if (known) return known;
    const asked = ask();
    this.#facts.set(key, asked);
    asked.catch(() => this.#facts.delete(key));
    return asked;
  }

  /** Writers take turns, so that "before" and "after" of a push are what they say. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(work, work);
    this.#queue = next.catch(() => {});
    return next;
  }

  /** The commit a branch, tag, full ref or SHA names. */
  async commitOf(ref: string): Promise<string | undefined> {
    if (ref === "" || ref.startsWith("-")) return undefined;
    if (/^[0-9a-f]{40}$/.test(ref) && (await this.objectType(ref)) === "commit") return ref;
    const candidates = /^[0-9a-f]{40}$/.test(ref)
      ? [ref]
      : [
          ...(ref.startsWith("refs/") ? [ref] : []),
          `refs/heads/${ref}`,
          `refs/tags/${ref}`,
          `refs/${ref}`,
          ...(ref === "HEAD" ? ["HEAD"] : []),
          ...(/^[0-9a-f]{7,39}$/.test(ref) ? [ref] : []),
        ];
    for (const name of candidates) {
      const found = await this.try([
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        `${name}^{commit}`,
      ]);
      if (found.code === 0) return found.stdout.toString().trim();
    }
    return undefined;
  }

  /** Every branch and tag with the object it names. */
  async refs(prefix = "refs/"): Promise<Map<string, string>> {
    const text = (
      await this.git(["for-each-ref", "--format=%(objectname) %(refname)", prefix])
    ).toString();
    return new Map(
      text
        .split("\n")
        .filter(Boolean)
        .map((line) => [line.slice(41), line.slice(0, 40)]),
    );
  }

  async branches(): Promise<Map<string, string>> {
    const refs = await this.refs("refs/heads/");
    return new Map([...refs].map(([ref, sha]) => [ref.slice("refs/heads/".length), sha]));
  }

  async objectType(sha: string): Promise<string | undefined> {
    if (!/^[0-9a-f]{40}$/.test(sha)) return undefined;
    // What is missing may come later; what is there stays.
    const known = this.#types.get(sha);
    if (known !== undefined) return known;
    const found = await this.try(["cat-file", "-t", sha]);
    if (found.code !== 0) return undefined;
    const type = found.stdout.toString().trim();
    this.#types.set(sha, type);
    return type;
  }

  /** Compare-and-swap; false when the ref was not at `before`. */
  async moveRef(update: RefUpdate): Promise<boolean> {
    const args =
      update.after === zeroSha
        ? ["-d", update.ref, update.before]
        : [update.ref, update.after, update.before];
    return (await this.try(["update-ref", ...args])).code === 0;
  }

  async isAncestor(older: string, newer: string): Promise<boolean> {
    return (await this.try(["merge-base", "--is-ancestor", older, newer])).code === 0;
  }

  async commitTree(
    tree: string,
    parents: string[],
    message: string,
    author: Author,
    date: string,
    committer: Author = author,
  ): Promise<string> {
    const env = {
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.email,
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_NAME: committer.name,
      GIT_COMMITTER_EMAIL: committer.email,
      GIT_COMMITTER_DATE: date,
    };
    const args = ["commit-tree", tree, ...parents.flatMap((parent) => ["-p", parent])];
    return (await this.git(args, { env, input: message })).toString().trim();
  }

  /** Runs `work` with an index of its own, outside the repository. */
  async withIndex<T>(work: (env: Record<string, string>) => Promise<T>): Promise<T> {
    const dir = await mkdtemp(join(this.dir, "index-"));
    try {
      return await work({ GIT_INDEX_FILE: join(dir, "index") });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }
}
