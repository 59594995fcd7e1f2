import type { Octokit } from "@octokit/rest";
import * as z from "zod";

const Delivery = z.object({
  id: z.int(),
  guid: z.string(),
  delivered_at: z.iso.datetime({ offset: true }),
  status_code: z.int(),
  redelivery: z.boolean(),
});

/** Pages of 100 that one sweep reads. */
const PAGES = 20;

/**
 * Deliveries since `since` (ms) of which no try succeeded, newest try each. GitHub keeps them for three days and brings
 * none again by itself.
 */
export async function failed(app: Octokit, since: number): Promise<number[]> {
  const succeeded = new Set<string>();
  const latest = new Map<string, number>();
  let cursor: string | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await app.rest.apps.listWebhookDeliveries({
      per_page: 100,
      ...(cursor === undefined ? {} : { cursor }),
    });
    const deliveries = z.array(Delivery).parse(answer.data);
    for (const { id, guid, delivered_at: at, status_code: status } of deliveries) {
      if (Date.parse(at) < since) continue;
      if (status >= 200 && status < 300) succeeded.add(guid);
      else if (!latest.has(guid)) latest.set(guid, id);
    }
    const oldest = deliveries.at(-1);
    cursor = /[?&]cursor=([^&>]+)[^>]*>; rel="next"/u.exec(String(answer.headers.link ?? ""))?.[1];
    if (cursor === undefined || oldest === undefined || Date.parse(oldest.delivered_at) < since)
      break;
    cursor = decodeURIComponent(cursor);
  }
  return [...latest].flatMap(([guid, id]) => (succeeded.has(guid) ? [] : [id]));
}

export async function redeliver(app: Octokit, delivery: number): Promise<void> {
  await app.rest.apps.redeliverWebhookDelivery({ delivery_id: delivery });
}
