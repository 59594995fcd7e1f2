import { chmod, rm } from "node:fs/promises";
import { egressPolicy } from "./policy.ts";
import { egressProxy } from "./proxy.ts";

/**
 * The egress proxy as a process of its own, under a user of its own: it reads what attackers send.
 * Refusals are JSON lines on stderr.
 *
 * @param args `<socket> <host:port>…`
 */
export async function egressCommand(args: readonly string[]): Promise<never> {
  const [socket, ...patterns] = args;
  if (!socket) throw new Error("usage: isolation-egress <socket> <host:port>…");
  const proxy = egressProxy({
    policy: egressPolicy(patterns),
    onRefusal: (refusal) =>
      process.stderr.write(`${JSON.stringify({ egress: "refused", ...refusal })}\n`),
  });
  await rm(socket, { force: true });
  await proxy.listen(socket);
  // Job users and the daemon's forwarder connect; what they reach is the list's business.
  await chmod(socket, 0o666);
  return await new Promise<never>(() => {});
}
