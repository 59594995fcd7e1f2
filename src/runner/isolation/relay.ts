import { randomBytes } from "node:crypto";
import { chmod, mkdir, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";

/** A Unix socket of this process as somebody else may reach it. */
export interface Relay {
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Carries connections to a socket of this user's: an ssh-agent listens to nobody but its own user, and a job has another.
 * @param folder whose names cannot be listed; only who is told the path gets there.
 */
export async function openRelay(folder: string, target: string): Promise<Relay> {
  const own = join(folder, randomBytes(9).toString("hex"));
  const path = join(own, "socket");
  await mkdir(own, { mode: 0o711 });
  await chmod(own, 0o711);
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const inner = connect({ path: target, allowHalfOpen: true });
    for (const [one, other] of [
      [client, inner],
      [inner, client],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.once("close", () => open.delete(one));
    }
    client.pipe(inner).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o666);
  return {
    path,
    async close() {
      server.close();
      for (const socket of open) socket.destroy();
      await rm(own, { recursive: true, force: true });
    },
  };
}
