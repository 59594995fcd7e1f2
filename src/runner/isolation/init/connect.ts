import { connect, isIPv6 } from "node:net";

/** Bytes of the proxy's answer that are read at most. */
const HEAD_MAX = 8_192;

/**
 * Joins stdin and stdout to a host through the sandbox's proxy: what ssh calls a ProxyCommand. It imports Node's own
 * modules only, as its neighbour does.
 *
 * @param args `<proxy's port> <host> <port>`
 * @returns 0 when either side has ended, 1 when the proxy refuses or is not there.
 */
export async function connectThrough(args: readonly string[]): Promise<number> {
  const [proxy, host, port] = args;
  if (!proxy || !host || !port) throw new Error("usage: sandbox-connect <proxy> <host> <port>");
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const socket = connect({ host: "127.0.0.1", port: Number(proxy), allowHalfOpen: true });
  const complain = (why: string): 1 => {
    process.stderr.write(`${authority} through the sandbox's proxy: ${why}\n`);
    return 1;
  };
  return await new Promise<number>((resolve) => {
    socket.once("error", (error) => resolve(complain(error.message)));
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`);
    let head = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0 && head.length < HEAD_MAX) return;
      socket.removeListener("data", read);
      const text = head.toString("latin1");
      if (end < 0 || !/^HTTP\/1\.[01] 200 /u.test(text)) {
        socket.destroy();
        resolve(complain(text.split("\r\n\r\n")[1]?.trim() || (text.split("\r\n")[0] ?? "")));
        return;
      }
      process.stdout.write(head.subarray(end + 4));
      socket.pipe(process.stdout);
      process.stdin.pipe(socket);
      socket.once("close", () => resolve(0));
      process.stdout.once("error", () => socket.destroy());
    };
    socket.on("data", read);
    socket.once("end", () => {
      if (head.indexOf("\r\n\r\n") < 0) resolve(complain("it ended without an answer"));
    });
  });
}
