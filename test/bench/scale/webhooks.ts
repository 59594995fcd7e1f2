import { randomUUID } from "node:crypto";
import type { Repository } from "../../github/index.ts";
import type { Stack } from "../../support/stack.ts";

/** Deliveries a second, whatever became of the earlier ones. */
const RATE = 20;

/**
 * Deliveries that the double has sent before, sent again as new ones at a steady rate to the repositories that are at
 * work: what people notice of a Worker that is busy. A delivery that is late in being sent counts from when it was due.
 */
export function sideLoad(
  { github, worker }: Stack,
  repositories: readonly Repository[],
): { stop(): Promise<number[]> } {
  const latencies: number[] = [];
  const flying = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const began = performance.now();
  let sent = 0;
  const send = async (due: number, payload: string, known: Record<string, string>) => {
    const headers = new Headers(known);
    headers.set("x-github-delivery", randomUUID());
    const answer = await fetch(`${worker.url}/github/webhook`, {
      method: "POST",
      headers,
      body: payload,
    });
    await answer.arrayBuffer();
    if (answer.status !== 202) throw new Error(`a webhook was answered ${answer.status}`);
    latencies.push(performance.now() - due);
  };
  const timer = setInterval(() => {
    for (; sent * (1_000 / RATE) <= performance.now() - began; sent += 1) {
      const repository = repositories[sent % repositories.length];
      const known = github
        .deliveries()
        .find((one) => one.event === "check_run" && one.repositoryId === repository?.id);
      if (known === undefined) continue;
      const due = began + sent * (1_000 / RATE);
      const flight: Promise<void> = send(due, known.payload, known.requestHeaders)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => flying.delete(flight));
      flying.add(flight);
    }
  }, 1_000 / RATE);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(flying);
      if (failures.length > 0)
        throw new Error(`${failures.length} webhooks were not accepted`, { cause: failures[0] });
      return latencies;
    },
  };
}
