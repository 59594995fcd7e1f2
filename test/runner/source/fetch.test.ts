import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import type { LaunchRequest, Workspace } from "../../../src/runner/nix/launch.ts";
import { workspaceOf } from "../../../src/runner/nix/workspace.ts";
import { sourceAccess } from "../../../src/runner/source/access.ts";
import { fetchSource } from "../../../src/runner/source/index.ts";
import { mirrors } from "../../../src/runner/source/mirrors.ts";
import { resolveUrl } from "../../../src/runner/source/submodules.ts";
import { describeIsolated, isolationForTest } from "../isolation/support.ts";
import type { GitServer } from "./git-server.ts";
import { gitServer } from "./git-server.ts";

const TOKEN = `ghs_${"a1B2".repeat(10)}`;

describeIsolated("fetching a source", () => {
  let server: GitServer;
  let isolation: Isolation;
  let close: () => Promise<void>;
  beforeAll(async () => {
    server = await gitServer(TOKEN);
    const own = await isolationForTest({
      uidBase: 52_600,
      egress: [`127.0.0.1:${server.port}`],
      jobUsers: 16,
    });
    isolation = own.isolation;
    close = () => own.close();
  });
  afterAll(async () => {
    await close?.();
    await server?.close();
  });

  async function workspace(): Promise<{
    workspace: Workspace;
    requests: LaunchRequest[];
    sh: (script: string) => Promise<string>;
  }> {
    const inner = workspaceOf(await isolation.openJob("fetch"));
    const requests: LaunchRequest[] = [];
    return {
      requests,
      workspace: { ...inner, launch: (request) => (requests.push(request), inner.launch(request)) },
      sh: async (script) =>
        new TextDecoder()
          .decode((await inner.launch({ argv: ["sh", "-c", script], network: "none" })).stdout)
          .trim(),
    };
  }
  const signal = new AbortController().signal;
  /** Nothing kept, files in the job's directory. */
  const given = (token: string) => ({
    mirrors: null,
    repository: "github.test/1",
    place: "job" as const,
    access: sourceAccess(server.url("any"), {
      source: async () => token,
      others: async () => null,
    }),
    signal,
    say: () => {},
  });

  test("files as committed, links kept, no .git, one age; the token in a file only", async () => {
    const { sha, tree } = await server.commit(
      "plain",
      {
        "a.txt": "a\n",
        "sub/$(touch x).txt": "b\n",
        ".gitattributes": "*.txt export-ignore filter=lfs ident\n",
      },
      (work) => symlink("/etc/passwd", join(work, "link")),
    );
    const { workspace: space, requests, sh } = await workspace();
    const fetched = await fetchSource({
      workspace: space,
      ...given(TOKEN),
      source: { cloneUrl: server.url("plain"), ref: "refs/heads/main", sha, tree, revision: false },
    });
    expect(fetched).toEqual({ kind: "fetched", tree: "/job/source", revision: null });
    expect((await sh("cd source && find . | sort")).split("\n")).toEqual([
      ".",
      "./.gitattributes",
      "./a.txt",
      "./link",
      "./sub",
      "./sub/$(touch x).txt",
    ]);
    expect(await sh("cd source && readlink link && stat -c %Y a.txt link . | sort -u")).toBe(
      "/etc/passwd\n1",
    );
    expect(server.authorizations).toContain(
      `Basic ${Buffer.from(`x-access-token:${TOKEN}`).toString("base64")}`,
    );
    expect(
      JSON.stringify(requests.map(({ argv, env, cwd }) => ({ argv, env, cwd }))),
    ).not.toContain(TOKEN);
    expect(await sh(`grep -r ${TOKEN} /job; true`)).toBe("");
  });

  test("another tree than the job's is refused", async () => {
    const { sha } = await server.commit("other", { "a.txt": "other\n" });
    const { workspace: space } = await workspace();
    const fetched = await fetchSource({
      workspace: space,
      ...given(TOKEN),
      source: {
        cloneUrl: server.url("other"),
        ref: "refs/heads/main",
        sha,
        tree: "0".repeat(40),
        revision: false,
      },
    });
    expect(fetched).toMatchObject({
      kind: "refused",
      verdict: {
        kind: "infrastructure",
        message: expect.stringContaining("not what was asked for"),
      },
    });
  });

  test("a commit that is not there, a wrong token: infrastructure, and the token is not told", async () => {
    const { sha, tree } = await server.commit("gone", { "a.txt": "gone\n" });
    for (const [token, wanted] of [
      [TOKEN, "f".repeat(40)],
      ["ghs_wrong", sha],
    ] as const) {
      const { workspace: space } = await workspace();
      const fetched = await fetchSource({
        workspace: space,
        ...given(token),
        source: {
          cloneUrl: server.url("gone"),
          ref: "refs/heads/main",
          sha: wanted,
          tree,
          revision: false,
        },
      });
      expect(fetched).toMatchObject({
        kind: "refused",
        verdict: { kind: "infrastructure", message: expect.stringContaining(`fetching ${wanted}`) },
      });
      expect(JSON.stringify(fetched)).not.toContain(token);
    }
  });

  test("what is kept of a repository: the next commit fetches its difference, and a known one nothing", async () => {
    const kept = mirrors(isolation);
    const first = await server.commit("kept", { "a.txt": "a\n", "b.txt": "b\n", "c.txt": "c\n" });
    const asked: boolean[] = [];
    const fetch = async (commit: { sha: string; tree: string }): Promise<string> => {
      const { workspace: space, sh } = await workspace();
      let token = false;
      const before = server.authorizations.length;
      const fetched = await fetchSource({
        ...given(TOKEN),
        workspace: space,
        mirrors: kept,
        place: "store",
        access: sourceAccess(server.url("any"), {
          source: async () => ((token = true), TOKEN),
          others: async () => null,
        }),
        source: {
          cloneUrl: server.url("kept"),
          ref: "refs/heads/main",
          revision: false,
          ...commit,
        },
      });
      asked.push(token || server.authorizations.length > before);
      if (fetched.kind !== "fetched") throw new Error(JSON.stringify(fetched));
      expect(fetched.tree).toMatch(/^\/nix\/store\/[a-z0-9]{32}-source$/u);
      return await sh(`cd ${fetched.tree} && find . -type f | sort | xargs tail -v -n +1`);
    };
    const all = await fetch(first);
    const next = await server.next("kept", { "a.txt": "A\n", "b.txt": null, "d/e.txt": "e\n" });
    expect(all).toContain("==> ./b.txt <==\nb");
    expect(await fetch(next)).toBe(
      "==> ./a.txt <==\nA\n\n==> ./c.txt <==\nc\n\n==> ./d/e.txt <==\ne",
    );
    expect(await fetch(first)).toBe(all);
    // The same file is written otherwise under other attributes.
    const crlf = await server.next("kept", { ".gitattributes": "c.txt text eol=crlf\n" });
    expect(await fetch(crlf)).toContain("==> ./c.txt <==\nc\r");
    expect(asked).toEqual([true, true, false, true]);
    expect(await kept.release()).toBe(true);
    expect(await kept.release()).toBe(false);
  });

  test("a git checkout where the flake is to see its revision", async () => {
    const { sha, tree } = await server.commit("revision", {
      "flake.nix": "{ outputs = { self }: { rev = self.rev; }; }\n",
    });
    const { workspace: space, sh } = await workspace();
    const fetched = await fetchSource({
      workspace: space,
      ...given(TOKEN),
      source: {
        cloneUrl: server.url("revision"),
        ref: "refs/heads/main",
        sha,
        tree,
        revision: true,
      },
    });
    expect(fetched).toEqual({ kind: "fetched", tree: "/job/source", revision: sha });
    expect(await sh("cd source && git status --short && git rev-parse HEAD")).toBe(sha);
  });
});

test.each([
  ["../other.git", "https://example.org/a/other.git"],
  ["https://elsewhere.example/x.git", "https://elsewhere.example/x.git"],
  ["file:///etc", null],
  ["ssh://git@example.org/x", null],
  ["git@example.org:x", null],
  ["https://user:secret@example.org/x", null],
  ["http://169.254.169.254/x", null],
  ["-u./payload", null],
])("a submodule's address: %s", (url, expected) => {
  expect(resolveUrl(url, "https://example.org/a/b.git")).toBe(expected);
});
