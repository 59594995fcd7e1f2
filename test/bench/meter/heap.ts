import { once } from "node:events";
import * as z from "zod";

const Targets = z.array(z.object({ webSocketDebuggerUrl: z.string() }));
const Reply = z.object({
  id: z.number(),
  result: z
    .object({
      usedSize: z.number().default(0),
      embedderHeapUsedSize: z.number().default(0),
      backingStorageSize: z.number().default(0),
    })
    .optional(),
});

/** Between two looks, and between two collections of garbage (ms). */
const LOOK_EVERY = 250;
const COLLECT_EVERY = 2_000;

export interface HeapPeak {
  /** Right after a collection of garbage: what an isolate with a limit would still need (bytes). */
  readonly live: number;
  /** With garbage (bytes). */
  readonly any: number;
}

/**
 * Follows the heap of the Worker's isolate: JavaScript's, what the platform holds for it, and buffers. All objects of the
 * Worker share the isolate here, so this is an upper bound for the fullest of those that Cloudflare would make. SQLite's
 * page cache is not in it; on Cloudflare it is not in the isolate's 128 MB either.
 */
export async function watchHeap(inspector: URL): Promise<{ stop(): Promise<HeapPeak> }> {
  const listed = await fetch(new URL("/json", `http://${inspector.host}`));
  const [target] = Targets.parse(await listed.json());
  if (target === undefined) throw new Error(`${inspector.href} lists no isolate`);
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await once(socket, "open");
  const peak = { live: 0, any: 0 };
  const waiting = new Map<number, (size: number) => void>();
  let last = 0;
  const ask = (method: string): Promise<number> => {
    last += 1;
    const id = last;
    socket.send(JSON.stringify({ id, method }));
    return new Promise((resolve) => waiting.set(id, resolve));
  };
  socket.addEventListener("message", ({ data }) => {
    const reply = Reply.safeParse(JSON.parse(String(data)));
    if (!reply.success) return;
    const { id, result } = reply.data;
    const resolve = waiting.get(id);
    waiting.delete(id);
    resolve?.(
      result === undefined
        ? 0
        : result.usedSize + result.embedderHeapUsedSize + result.backingStorageSize,
    );
  });
  const look = async (collect: boolean): Promise<void> => {
    peak.any = Math.max(peak.any, await ask("Runtime.getHeapUsage"));
    if (!collect) return;
    await ask("HeapProfiler.collectGarbage");
    peak.live = Math.max(peak.live, await ask("Runtime.getHeapUsage"));
  };
  let looking: Promise<void> = look(true);
  let looks = 0;
  const timer = setInterval(() => {
    looks += 1;
    const collect = (looks * LOOK_EVERY) % COLLECT_EVERY === 0;
    looking = looking.then(() => look(collect));
  }, LOOK_EVERY);
  return {
    stop: async () => {
      clearInterval(timer);
      await looking;
      await look(true);
      socket.close();
      return peak;
    },
  };
}
