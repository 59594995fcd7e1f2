import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import type { DeliveryAttempt } from "../../../core/sweep/missed.ts";

const Delivery = z.object({
  id: z.int(),
  guid: z.string(),
  delivered_at: z.iso.datetime({ offset: true }),
  status_code: z.int(),
  redelivery: z.boolean(),
});

/** A page of the App's log of deliveries, newest first; `next` is where the next page begins. */
export async function deliveries(
  app: Octokit,
  cursor: string | null,
): Promise<{ attempts: DeliveryAttempt[]; next: string | null }> {
  const answer = await app.rest.apps.listWebhookDeliveries({
    per_page: 100,
    ...(cursor === null ? {} : { cursor }),
  });
  const next = /[?&]cursor=([^&>]+)[^>]*>; rel="next"/u.exec(
    String(answer.headers.link ?? ""),
  )?.[1];
  const attempts = z
    .array(Delivery)
    .parse(answer.data)
    .map(({ id, guid, delivered_at: at, status_code: status, redelivery }) => ({
      id,
      guid,
      at: Date.parse(at),
      ok: status >= 200 && status < 300,
      redelivery,
    }));
  return { attempts, next: next === undefined ? null : decodeURIComponent(next) };
}

export async function redeliver(app: Octokit, delivery: number): Promise<void> {
  await app.rest.apps.redeliverWebhookDelivery({ delivery_id: delivery });
}
