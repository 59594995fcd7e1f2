import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { NixInstall } from "./nix-versions.ts";
import { environmentWith } from "./nix-versions.ts";

const execute = promisify(execFile);

/** Asks a runner's store from outside, by Nix itself: the truth that checks are compared with. */
export class NixStore {
  /** `nix --store URL` reads it, as root. */
  readonly url: string;
  readonly root: string;
  readonly #env: Record<string, string>;

  constructor(root: string, nix?: NixInstall) {
    this.root = root;
    this.#env = environmentWith(nix);
    this.url = `local?root=${root}`;
  }

  #run(program: string, args: string[]): Promise<{ stdout: string }> {
    return execute(program, args, { env: { ...process.env, ...this.#env } });
  }

  async valid(path: string): Promise<boolean> {
    try {
      await this.#run("nix-store", ["--store", this.url, "--check-validity", path]);
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === 1) return false;
      throw error;
    }
  }

  /** Where an attribute's output lies, by evaluating the branch's tree apart from the runner. */
  async outPath(cloneUrl: string, branch: string, attribute: string): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "snowcat-truth-"));
    try {
      await this.#run("git", [
        "clone",
        "-q",
        "--depth",
        "1",
        "--branch",
        branch,
        cloneUrl,
        join(directory, "tree"),
      ]);
      await rm(join(directory, "tree/.git"), { recursive: true });
      await writeFile(join(directory, "registry.json"), JSON.stringify({ flakes: [], version: 2 }));
      const { stdout } = await this.#run("nix", [
        "--extra-experimental-features",
        "nix-command flakes",
        "--store",
        `local?root=${join(directory, "store")}`,
        "eval",
        "--raw",
        "--no-write-lock-file",
        "--option",
        "flake-registry",
        join(directory, "registry.json"),
        `path:${join(directory, "tree")}#${attribute}.outPath`,
      ]);
      return stdout;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  async builders(): Promise<string[]> {
    return commandLines();
  }
}

/** Command lines of every process on this machine. */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/u.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return lines.filter((line) => line !== "").map((line) => line.replaceAll("\0", " ").trim());
}
