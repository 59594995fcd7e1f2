import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Isolation } from "./isolation.ts";
import type { Canary } from "./preflight-tries.ts";
import { TRIES } from "./preflight-tries.ts";

export type Preflight =
  | { readonly ok: true; readonly tried: readonly string[] }
  | { readonly ok: false; readonly missing: readonly string[] };

/** Writable by the agent, passable for everybody, and not /tmp: each sandbox has a /tmp of its own. */
const CANARY_PARENT = "/var/tmp";

/**
 * Really tries what isolation promises: with a file anyone on the host can read, and a server on
 * the host's loopback. A promise that cannot be tried counts as missing.
 */
export async function preflight(isolation: Isolation): Promise<Preflight> {
  const directory = await mkdtemp(join(CANARY_PARENT, "snowcat-canary-"));
  await chmod(directory, 0o755);
  const word = randomBytes(16).toString("hex");
  let hits = 0;
  const server = createServer((_request, answer) => {
    hits += 1;
    answer.end(word);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const file = join(directory, "canary");
    await writeFile(file, word, { mode: 0o644 });
    const canary: Canary = {
      file,
      word,
      port: (server.address() as AddressInfo).port,
      hits: () => hits,
    };
    const missing: string[] = [];
    for (const [, attempt] of TRIES) {
      const found = await attempt(isolation, canary);
      if (found !== null) missing.push(found);
    }
    return missing.length === 0
      ? { ok: true, tried: TRIES.map(([name]) => name) }
      : { ok: false, missing };
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true, force: true });
  }
}
