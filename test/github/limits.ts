import type { FaultOptions } from "./faults.ts";
import { contentCreating, isWrite } from "./stats.ts";
import type { RequestRecord } from "./stats.ts";

/** GitHub's limits per token: an hour's primary quota, and (when enforced) the secondary ones. */

const minute = 60_000;
const hour = 3_600_000;

export const limits = {
  perHour: 5_000,
  pointsPerMinute: 900,
  contentPerMinute: 80,
  contentPerHour: 500,
  concurrent: 100,
} as const;

interface Bucket {
  resetAt: number;
  used: number;
  /** Only what is younger than an hour. */
  recent: RequestRecord[];
  open: number;
}

export class RateLimits {
  readonly #now: () => number;
  readonly #secondary: boolean;
  readonly #perHour: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: { now: () => number; enforceSecondary: boolean; perHour?: number }) {
    this.#now = options.now;
    this.#secondary = options.enforceSecondary;
    this.#perHour = options.perHour ?? limits.perHour;
  }

  #bucket(name: string): Bucket {
    const now = this.#now();
    let bucket = this.#buckets.get(name);
    if (!bucket)
      this.#buckets.set(name, (bucket = { resetAt: now + hour, used: 0, recent: [], open: 0 }));
    if (bucket.resetAt <= now) {
      bucket.resetAt = now + hour;
      bucket.used = 0;
    }
    return bucket;
  }

  /** Opens a request; a refusal has the same shape as a fault made on purpose. Call `close` in any case. */
  open(name: string, record: RequestRecord): FaultOptions | undefined {
    const bucket = this.#bucket(name);
    bucket.open++;
    if (record.operationId === "rate-limit/get") return undefined;
    if (bucket.used >= this.#perHour) return { match: {}, kind: "403-primary" };
    bucket.used++;
    if (!this.#secondary) return undefined;
    const now = this.#now();
    bucket.recent = bucket.recent.filter((one) => one.at > now - hour);
    const last = bucket.recent.filter((one) => one.at > now - minute);
    const points = last.reduce((sum, one) => sum + (isWrite(one) ? 5 : 1), isWrite(record) ? 5 : 1);
    const content = (list: RequestRecord[]): number =>
      list.filter((one) => contentCreating.has(one.operationId)).length;
    const creating = contentCreating.has(record.operationId);
    const over =
      bucket.open > limits.concurrent ||
      points > limits.pointsPerMinute ||
      (creating &&
        (content(last) >= limits.contentPerMinute ||
          content(bucket.recent) >= limits.contentPerHour));
    if (over) return { match: {}, kind: "403-secondary", retryAfter: 60 };
    bucket.recent.push(record);
    return undefined;
  }

  close(name: string): void {
    this.#bucket(name).open--;
  }

  /** `reset` in seconds since the epoch. */
  state(name: string): { limit: number; remaining: number; used: number; reset: number } {
    const { used, resetAt } = this.#bucket(name);
    return {
      limit: this.#perHour,
      remaining: Math.max(0, this.#perHour - used),
      used,
      reset: Math.floor(resetAt / 1000),
    };
  }
}
