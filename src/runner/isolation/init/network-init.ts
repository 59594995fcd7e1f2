import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { constants } from "node:os";

/**
 * The first program of a closed network namespace: it listens on the namespace's own loopback,
 * carries every connection to the egress proxy's Unix socket, and runs one program with the proxy
 * variables set. It understands nothing of what it carries; the policy lives outside.
 *
 * It imports Node's own modules only (and so does not use the process module): inside a sandbox
 * no dependency of ours is visible.
 *
 * @param args `<socket> <port> -- <program> [argument…]`
 * @returns the program's exit code, or 128 + the signal's number.
 */
export async function networkInit(args: readonly string[]): Promise<number> {
  const [socket, port, dashes, program, ...rest] = args;
  if (!socket || !port || dashes !== "--" || !program) {
    throw new Error("usage: sandbox-init <socket> <port> -- <program> [argument…]");
  }
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ path: socket, allowHalfOpen: true });
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), "127.0.0.1", resolve);
  });
  const proxy = `http://127.0.0.1:${port}`;
  const child = spawn(program, rest, {
    stdio: "inherit",
    env: { ...process.env, ...proxyEnvironment(proxy) },
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => child.kill(signal));
  }
  return await new Promise<number>((resolve) => {
    child.once("error", (error) => {
      process.stderr.write(`sandbox-init: cannot start ${program}: ${error.message}\n`);
      resolve(127);
    });
    child.once("exit", (code, signal) =>
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)),
    );
  });
}

/** Both spellings: curl (and so Nix and git) reads the small ones, others the large ones. */
function proxyEnvironment(proxy: string): Record<string, string> {
  const names = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
  ];
  return { ...Object.fromEntries(names.map((name) => [name, proxy])), no_proxy: "", NO_PROXY: "" };
}
