import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** Each cut comes later than the one before: what is sent again, from the last acknowledgement, has to get through once. */
const GROWTH = 1.25;

/** A TCP proxy that cuts all its connections each time so many bytes have gone to the server. */
export type CuttingProxy = {
  readonly url: string;
  readonly cuts: number;
  /** From now on, the first time after so many bytes. */
  start(bytes: number): void;
  stop(): void;
  close(): Promise<void>;
};

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let every = 0;
  let since = 0;
  let cuts = 0;
  const cutAll = () => {
    cuts += 1;
    for (const socket of open) socket.resetAndDestroy();
  };
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
    upstream.pipe(client);
    client.on("data", (chunk) => {
      since += chunk.length;
      if (every > 0 && since >= every) {
        since = 0;
        every *= GROWTH;
        // Some of it arrives, the rest does not: the cut goes through the middle of a frame.
        upstream.write(chunk.subarray(0, Math.floor(chunk.length / 2)));
        cutAll();
        return;
      }
      if (!upstream.write(chunk)) client.pause();
    });
    upstream.on("drain", () => client.resume());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get cuts() {
      return cuts;
    },
    start: (bytes) => {
      every = bytes;
      since = 0;
    },
    stop: () => {
      every = 0;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
