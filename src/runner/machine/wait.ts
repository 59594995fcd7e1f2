import { setTimeout as sleep } from "node:timers/promises";
import { stateOf } from "./observation.ts";
import type { DeployState, MachineFault, Reply, WaitRequest } from "./machine.ts";
import type { Talk } from "./talk.ts";

/** One connection waits this long (s) at most: a link that is cut without a word is noticed by the next. */
const SLICE_SECONDS = 15;
/** Between attempts to connect, in milliseconds. */
const AGAIN_MS = 250;

/** Connects as often as it takes until the deploy is where it is awaited, nothing of it runs any more, or time is up. */
export async function waitFor(
  talk: Talk,
  { counter, until, seconds }: WaitRequest,
): Promise<Reply<{ state: DeployState; until: boolean }>> {
  const deadline = performance.now() + seconds * 1_000;
  let seen: DeployState | null = null;
  let fault: MachineFault | null = null;
  while (performance.now() < deadline && talk.options.signal?.aborted !== true) {
    const left = (deadline - performance.now()) / 1_000;
    const slice = Math.max(1, Math.min(SLICE_SECONDS, Math.ceil(left)));
    const verb = ["wait", String(counter), until.join(","), String(slice)];
    const reply = await talk.ask(verb, stateOf, { seconds: slice + 1 });
    if (reply.kind === "done" && reply.value !== null) {
      seen = reply.value;
      fault = null;
      if (until.includes(seen.name)) return { kind: "done", value: { state: seen, until: true } };
      if (!seen.alive) break;
    } else if (reply.kind === "refused") {
      return reply;
    } else if (reply.kind !== "done") {
      fault = reply;
      await sleep(AGAIN_MS);
    }
  }
  // What was seen before the link went is no news of now.
  if (seen !== null && fault === null)
    return { kind: "done", value: { state: seen, until: false } };
  return fault ?? { kind: "lost", why: "time was up before the machine was asked" };
}
