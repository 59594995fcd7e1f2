import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { Repository } from "../../github/index.ts";
import type { Stack } from "../../support/stack.ts";
import { progress } from "../shared/output.ts";

/** Deliveries a second, whatever became of the earlier ones. */
const RATE = 20;
/** After so long GitHub gives a delivery up (ms): what one that is not accepted counts as. */
const GIVEN_UP = 10_000;

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
    const kept = Object.entries(known).filter(([name]) => !/^x-github-delivery$/iu.test(name));
    const headers = { ...Object.fromEntries(kept), "x-github-delivery": randomUUID() };
    const status = await post(`${worker.url}/github/webhook`, headers, payload);
    if (status !== 202) throw new Error(`a webhook was answered ${status}`);
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
        .catch((error: unknown) => {
          failures.push(error);
          latencies.push(GIVEN_UP);
        })
        .finally(() => flying.delete(flight));
      flying.add(flight);
    }
  }, 1_000 / RATE);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(flying);
      if (failures.length > 0)
        progress(`${failures.length} webhooks were not accepted, such as: ${String(failures[0])}`);
      return latencies;
    },
  };
}

/** On a connection of its own: one that is kept may be closed by the server just when it is used again. */
async function post(
  url: string,
  headers: Record<string, string>,
  body: string,
): Promise<number | undefined> {
  const sent = request(url, { method: "POST", headers, agent: false });
  sent.end(body);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  return answer.statusCode;
}
