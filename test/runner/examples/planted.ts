import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { commitTree, type Canaries } from "../../hostile/index.ts";

/** Canaries in place, with what watches them. */
export interface Planted extends AsyncDisposable {
  /** All but the nonce, which is each tree's own. */
  readonly canaries: Omit<Canaries, "nonce">;
  readonly environment: Record<string, string>;
  /** What was seen since the last call: hits of the server, files in the dropbox. */
  traces(): Promise<string[]>;
}

/** @param folder takes the files. @param addToStore makes "another account's" store path. */
export async function plant(
  folder: string,
  system: string,
  addToStore: (file: string) => Promise<string>,
): Promise<Planted> {
  const secret = `canary-${randomUUID()}`;
  const [agent, otherJob, dropbox, repository] = [
    "agent",
    "other-job",
    "dropbox",
    "repository",
  ].map((name) => join(folder, name)) as [string, string, string, string];
  await Promise.all([agent, otherJob, dropbox].map(async (path) => await mkdir(path)));
  const key = join(agent, "key");
  await writeFile(key, secret);
  await writeFile(join(otherJob, "key"), secret);
  const commit = await commitTree(repository, { key: secret });

  let hits: string[] = [];
  const web = createHttpServer((request, response) => {
    hits.push(`${request.method} ${request.url}`);
    response.end(secret);
  });
  const docker = createServer(() => hits.push("docker socket"));
  const dockerSocket = join(folder, "docker.sock");
  await listening(web, { port: 0, host: "127.0.0.1" });
  await listening(docker, { path: dockerSocket });

  return {
    canaries: {
      system,
      secret,
      visible: `visible-${randomUUID()}`,
      key,
      otherJob,
      repository: { path: repository, commit },
      process: process.pid,
      dockerSocket,
      storePath: await addToStore(key),
      port: (web.address() as AddressInfo).port,
      dropbox,
      variable: "SNOWCAT_TEST_CANARY",
    },
    environment: { SNOWCAT_TEST_CANARY: secret },
    async traces() {
      const dropped = await readdir(dropbox);
      const seen = [...hits, ...dropped];
      hits = [];
      await Promise.all(
        dropped.map(async (name) => await rm(join(dropbox, name), { recursive: true })),
      );
      return seen;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(
        [web, docker].map(async (server) => await new Promise((closed) => server.close(closed))),
      );
    },
  };
}

async function listening(
  server: Server,
  where: { port: number; host: string } | { path: string },
): Promise<void> {
  await new Promise<void>((settle, reject) => {
    server.once("error", reject);
    server.listen(where, settle);
  });
}
