import type { Reply } from "../../machine/index.ts";
import type { Clock } from "../../agent/clock.ts";

/** Between two tries over a link that was cut (ms): doubling. */
const PAUSE = { first: 250, most: 5_000 } as const;

/**
 * Asks again while the link is at fault, for what may be asked twice.
 * @param until Unix time (ms) after which no other try begins.
 * @param signal ends the tries.
 */
export async function again<T>(
  ask: () => Promise<Reply<T>>,
  clock: Clock,
  until: number,
  signal?: AbortSignal,
): Promise<Reply<T>> {
  for (let pause: number = PAUSE.first; ; pause = Math.min(PAUSE.most, 2 * pause)) {
    const reply = await ask();
    if (reply.kind !== "lost" && reply.kind !== "unreachable") return reply;
    if (clock.now() + pause > until || signal?.aborted === true) return reply;
    await new Promise<void>((resolve) => {
      clock.after(pause, resolve);
    });
  }
}
