import { INSIDE } from "../../isolation/layout.ts";

/**
 * The way of ssh out of a sandbox that has no network but an HTTP proxy: one CONNECT, then bytes. Without a proxy (no
 * isolation) it connects by itself. ssh starts it as `ProxyCommand`.
 */
const TEXT = String.raw`
import { connect } from "node:net";
const [host, port] = process.argv.slice(2);
const proxy = process.env.https_proxy ? new URL(process.env.https_proxy) : null;
const socket = connect(proxy ? { host: proxy.hostname, port: Number(proxy.port) } : { host, port: Number(port) });
const fail = (why) => { process.stderr.write("cannot connect to " + host + ":" + port + ": " + why + "\n"); process.exit(1); };
socket.on("error", (error) => fail(error.message));
const join = () => { process.stdin.pipe(socket); socket.pipe(process.stdout); socket.on("close", () => process.exit(0)); };
if (!proxy) socket.once("connect", join);
else {
  const name = host.includes(":") ? "[" + host + "]" : host;
  socket.write("CONNECT " + name + ":" + port + " HTTP/1.1\r\nHost: " + name + ":" + port + "\r\n\r\n");
  let head = Buffer.alloc(0);
  const read = (bytes) => {
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    socket.off("data", read);
    const text = head.subarray(0, end).toString("latin1");
    if (!/^HTTP\/1\.[01] 200/.test(text)) return fail(head.toString("latin1").replace(/\r\n/g, " ").slice(0, 400));
    process.stdout.write(head.subarray(end + 4));
    join();
  };
  socket.on("data", read);
}
`;

export const CONNECT_PROGRAM = { name: "connect.mjs", text: TEXT, node: INSIDE.node } as const;
