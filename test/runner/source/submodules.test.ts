import { afterAll, beforeAll, expect, test } from "vitest";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { workspaceOf } from "../../../src/runner/nix/workspace.ts";
import { sourceAccess } from "../../../src/runner/source/access.ts";
import type { Fetched } from "../../../src/runner/source/index.ts";
import { fetchSource } from "../../../src/runner/source/index.ts";
import type { Mirrors } from "../../../src/runner/source/mirrors.ts";
import { mirrors } from "../../../src/runner/source/mirrors.ts";
import type { Account, GitHub, Repository } from "../../github/index.ts";
import type { Fixture } from "../../github/fixture.ts";
import { startFixture } from "../../github/fixture.ts";
import { describeIsolated, isolationForTest } from "../isolation/support.ts";

describeIsolated("submodules, from the double of GitHub", () => {
  let on: Fixture;
  let github: GitHub;
  let owner: Account;
  let isolation: Isolation;
  let close: () => Promise<void>;
  beforeAll(async () => {
    on = await startFixture();
    ({ github, owner } = on);
    const own = await isolationForTest({
      uidBase: 53_800,
      egress: [new URL(github.url).host],
      jobUsers: 8,
    });
    isolation = own.isolation;
    close = () => own.close();
  });
  afterAll(async () => {
    await close?.();
    await on?.close();
  });

  /** What a job gets: read-only, for these repositories. */
  async function minted(...repositories: string[]): Promise<string> {
    const { data } = await on.asApp.apps.createInstallationAccessToken({
      installation_id: on.installation.id,
      repositories,
      permissions: { contents: "read" },
    });
    return data.token;
  }

  async function repository(name: string, files: Record<string, string>): Promise<Repository> {
    return await github.createRepository({ owner, name, private: true, files });
  }

  /** A commit with these gitlinks, pushed. @returns commit and tree. */
  async function withLinks(
    repo: Repository,
    modules: Readonly<Record<string, { url: string; sha: string }>>,
  ): Promise<{ sha: string; tree: string }> {
    const clone = await github.clone(repo, owner);
    try {
      await clone.write({
        ".gitmodules": Object.entries(modules)
          .map(([path, { url }]) => `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`)
          .join(""),
      });
      await clone.git("add", "--all");
      for (const [path, { sha }] of Object.entries(modules))
        await clone.git("update-index", "--add", "--cacheinfo", `160000,${sha},${path}`);
      await clone.git("commit", "--quiet", "--message", "submodules");
      expect((await clone.push()).code).toBe(0);
      const said = (await clone.git("rev-parse", "HEAD", "HEAD^{tree}")).stdout.toString();
      const [sha = "", tree = ""] = said.trim().split("\n");
      return { sha, tree };
    } finally {
      await clone.remove();
    }
  }

  async function head(repo: Repository): Promise<string> {
    const clone = await github.clone(repo, owner);
    try {
      return (await clone.git("rev-parse", "HEAD")).stdout.toString().trim();
    } finally {
      await clone.remove();
    }
  }

  async function fetched(
    repo: Repository,
    commit: { sha: string; tree: string },
    listed: string[] = [],
    kept: Mirrors | null = null,
  ): Promise<{ found: Fetched; said: string[]; files: string }> {
    const job = await isolation.openJob("submodules");
    try {
      const workspace = workspaceOf(job);
      const said: string[] = [];
      const found = await fetchSource({
        workspace,
        mirrors: kept,
        repository: "github.test/1",
        place: "job",
        access: sourceAccess(github.cloneUrl(repo), {
          source: () => minted(repo.name),
          others: async () => ({
            token: listed.length === 0 ? null : await minted(repo.name, ...listed),
            expiresAt: 0,
            repositories: listed.map((name) => `${owner.login}/${name}`),
            refused: [],
          }),
        }),
        signal: new AbortController().signal,
        say: (line) => said.push(line),
        source: {
          cloneUrl: github.cloneUrl(repo),
          ref: "refs/heads/main",
          ...commit,
          revision: false,
        },
      });
      const shown = await workspace.launch({
        argv: ["sh", "-c", "cd source && find . -type f | sort | xargs head -v -n 1"],
        network: "none",
      });
      return { found, said, files: new TextDecoder().decode(shown.stdout) };
    } finally {
      await job.dispose();
    }
  }

  test("relative and absolute addresses, one inside another, with the token for the same host", async () => {
    const inner = await repository("inner", { "inner.txt": "inner\n" });
    const outer = await repository("outer", { "outer.txt": "outer\n" });
    const top = await repository("top", { "top.txt": "top\n" });
    const nested = await withLinks(outer, {
      deep: { url: "../inner.git", sha: await head(inner) },
    });
    const commit = await withLinks(top, {
      "libs/outer": { url: github.cloneUrl(outer), sha: nested.sha },
      near: { url: "../inner.git", sha: await head(inner) },
    });
    const kept = mirrors(isolation);
    for (const again of [false, true]) {
      const { found, files, said } = await fetched(top, commit, ["inner", "outer"], kept);
      expect(found).toMatchObject({ kind: "fetched" });
      for (const [file, line] of [
        ["top.txt", "top"],
        ["libs/outer/outer.txt", "outer"],
        ["libs/outer/deep/inner.txt", "inner"],
        ["near/inner.txt", "inner"],
      ])
        expect(files).toContain(`==> ./${file} <==\n${line}\n`);
      // Each commit comes once, whichever submodule it is.
      expect(said.filter((line) => line.startsWith("fetching")).length).toBe(again ? 0 : 3);
    }
    await kept.release();

    // The job's own token opens the job's own repository, and nothing beside it.
    const { found } = await fetched(top, commit);
    expect(found).toMatchObject({
      kind: "refused",
      verdict: {
        kind: "evaluation-error",
        message: expect.stringMatching(
          /^submodule "libs\/outer" .*list octo\/outer under inputs\.private in \.github\/snowcat\.yml/su,
        ),
      },
    });
  });

  test("what cannot be fetched: a file of the host stays out, a commit that is not there is the change's error", async () => {
    const top = await repository("odd", { "top.txt": "top\n" });
    const away = await withLinks(top, {
      host: { url: "file:///etc", sha: "1".repeat(40) },
      ssh: { url: "ssh://git@example.org/x", sha: "2".repeat(40) },
      run: { url: "ext::sh -c touch% /job/ran", sha: "4".repeat(40) },
      flag: { url: "-u./payload", sha: "5".repeat(40) },
    });
    const empty = await fetched(top, away);
    expect(empty.found).toMatchObject({ kind: "fetched" });
    expect(empty.said.filter((line) => line.includes("its folder stays empty"))).toHaveLength(4);
    expect(empty.files).not.toContain("passwd");

    const gone = await withLinks(top, { gone: { url: "../odd.git", sha: "3".repeat(40) } });
    const refused = await fetched(top, gone);
    expect(refused.found).toMatchObject({
      kind: "refused",
      verdict: {
        kind: "evaluation-error",
        message: expect.stringMatching(
          /^submodule "gone" \(3{40} of .*is not there.*Push the commit/su,
        ),
      },
    });
  });
});
