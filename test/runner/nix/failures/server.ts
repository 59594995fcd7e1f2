import { execFile } from "node:child_process";
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export interface FailingServer {
  readonly port: number;
  /** The output path that the caches claim to have. */
  cached: string;
  close(): void;
}

/** Answers with the status that its path names; has a cache that cannot deliver, and one that hangs up. */
export async function failingServer(): Promise<FailingServer> {
  const tree = await archive();
  const state = { cached: "" };
  const server = createServer(({ url = "" }, answer) => {
    const [, first = "", second = ""] = url.split("/");
    if (second === "nix-cache-info") return answer.end("StoreDir: /nix/store\nPriority: 10\n");
    if (second.endsWith(".narinfo")) {
      const hash = second.slice(0, -".narinfo".length);
      return state.cached.includes(hash)
        ? answer.end(narInfo(state.cached))
        : answer.writeHead(404).end();
    }
    if (first === "tree.tar.gz") return answer.end(tree);
    if (first === "hang-up" || first === "broken") return answer.destroy();
    const status = first === "cache" ? 500 : Number.parseInt(first, 10);
    return answer.writeHead(Number.isNaN(status) ? 404 : status).end(`content for ${status}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(state, {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
}

function narInfo(path: string): string {
  const hash = `sha256:${"0".repeat(52)}`;
  return `StorePath: ${path}\nURL: nar/x.nar\nCompression: none\nFileHash: ${hash}\nFileSize: 120\nNarHash: ${hash}\nNarSize: 120\nReferences: \n`;
}

async function archive(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "snowcat-tree-"));
  try {
    await mkdir(join(folder, "tree"));
    await writeFile(join(folder, "tree/flake.nix"), "{ outputs = { self }: { name = 1; }; }\n");
    await promisify(execFile)("tar", ["-C", folder, "-czf", join(folder, "a.tar.gz"), "tree"]);
    return await readFile(join(folder, "a.tar.gz"));
  } finally {
    await rm(folder, { recursive: true });
  }
}
