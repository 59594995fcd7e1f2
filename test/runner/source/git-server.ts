import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { folder } from "../nix/support.ts";
import { run } from "../../../src/runner/process/index.ts";

export type Committed = { sha: string; tree: string; committedAt: number };

/** A git host on loopback: git's own http-backend, behind a token where one is set. */
export interface GitServer {
  readonly port: number;
  url(name: string): string;
  /** Makes a bare repository whose `main` holds these files. @returns commit, tree and time (Unix s). */
  commit(
    name: string,
    files: Readonly<Record<string, string>>,
    extra?: (work: string) => Promise<void>,
  ): Promise<Committed>;
  /** Another commit on its `main`: these files changed, those that are null gone. */
  next(name: string, files: Readonly<Record<string, string | null>>): Promise<Committed>;
  /** `Authorization` headers that came in. */
  readonly authorizations: (string | undefined)[];
  close(): Promise<void>;
}

export async function gitServer(token: string | null): Promise<GitServer> {
  const root = await mkdtemp(join(tmpdir(), "snowcat-git-"));
  const authorizations: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    authorizations.push(request.headers.authorization);
    const wanted =
      token === null ? null : `Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;
    if (wanted !== null && request.headers.authorization !== wanted) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return;
    }
    const url = new URL(request.url ?? "/", "http://localhost");
    const child = spawn("/usr/lib/git-core/git-http-backend", [], {
      env: {
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method ?? "GET",
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "safe.directory",
        GIT_CONFIG_VALUE_0: "*",
        PATH: process.env.PATH,
      },
    });
    request.pipe(child.stdin);
    let head = Buffer.alloc(0);
    let open = false;
    child.stdout.on("data", (chunk: Buffer) => {
      if (open) return void response.write(chunk);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      open = true;
      const headers = head
        .subarray(0, end)
        .toString()
        .split("\r\n")
        .map((line) => line.split(": ", 2) as [string, string]);
      const status = headers.find(([name]) => name === "Status")?.[1] ?? "200";
      response.writeHead(
        Number.parseInt(status, 10),
        headers.filter(([name]) => name !== "Status"),
      );
      response.write(head.subarray(end + 4));
    });
    child.stdout.on("end", () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const git = async (cwd: string, ...args: string[]): Promise<string> => {
    const env = {
      PATH: process.env.PATH!,
      HOME: root,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_AUTHOR_NAME: "t",
      GIT_AUTHOR_EMAIL: "t@example.org",
      GIT_COMMITTER_NAME: "t",
      GIT_COMMITTER_EMAIL: "t@example.org",
    };
    const result = await run(["git", ...args], { cwd, env });
    if (result.exitCode !== 0)
      throw new Error(`git ${args.join(" ")}: ${new TextDecoder().decode(result.stderr)}`);
    return new TextDecoder().decode(result.stdout).trim();
  };
  const committed = async (work: string): Promise<Committed> => {
    const said = await git(work, "log", "-1", "--format=%H %T %ct");
    const [sha = "", tree = "", time = ""] = said.split(" ");
    return { sha, tree, committedAt: Number(time) };
  };
  return {
    port,
    authorizations,
    url: (name) => `http://127.0.0.1:${port}/${name}.git`,
    async commit(name, files, extra) {
      const work = await folder(files);
      await git(work, "init", "--quiet", "--initial-branch=main");
      await extra?.(work);
      await git(work, "add", "--all");
      await git(work, "commit", "--quiet", "--message=first");
      await cp(join(work, ".git"), join(root, `${name}.git`), { recursive: true });
      const made = await committed(work);
      await rm(work, { recursive: true });
      return made;
    },
    async next(name, files) {
      const work = await mkdtemp(join(tmpdir(), "snowcat-git-work-"));
      const bare = join(root, `${name}.git`);
      await git(work, "clone", "--quiet", bare, ".");
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(work, path)), { recursive: true });
        if (content === null) await rm(join(work, path));
        else await writeFile(join(work, path), content);
      }
      await git(work, "add", "--all");
      await git(work, "commit", "--quiet", "--message=next");
      await git(bare, "fetch", "--quiet", "--update-head-ok", work, "+HEAD:refs/heads/main");
      const made = await committed(work);
      await rm(work, { recursive: true });
      return made;
    },
    async close() {
      await new Promise((resolve) => server.close(resolve));
      await rm(root, { recursive: true });
    },
  };
}
