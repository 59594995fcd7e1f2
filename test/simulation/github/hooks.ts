import { createHmac } from "node:crypto";
import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";

/** One try to bring a delivery, as GitHub lists it. */
export type Attempt = {
  id: number;
  guid: string;
  event: string;
  action: string | null;
  at: number;
  status: number;
  redelivery: boolean;
};

export type Post = (request: Request) => Promise<Response>;

/** GitHub gives up on an answer (ms). */
const PATIENCE = 10_000;

export type HookWeather = {
  /** Deliveries that come twice, and tries that do not arrive at all. */
  doubled: number;
  missed: number;
  /** Mean time on the way (ms); some take a hundred times as long. */
  delay: number;
};

/** Deliveries: late, in any order, some twice, some not at all until they are asked for again. */
export class Hooks {
  readonly attempts: Attempt[] = [];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #secret: string;
  readonly #post: Post;
  readonly #bodies = new Map<string, { event: string; body: string }>();
  readonly weather: HookWeather;
  made = 0;
  doubled = 0;
  redelivered = 0;

  constructor(clock: Clock, random: Random, secret: string, weather: HookWeather, post: Post) {
    this.#clock = clock;
    this.#random = random;
    this.#secret = secret;
    this.weather = weather;
    this.#post = post;
  }

  emit(event: string, payload: object): void {
    this.made += 1;
    const guid = `${this.#random.hex(8)}-0000-4000-8000-${this.#random.hex(12)}`;
    this.#bodies.set(guid, { event, body: JSON.stringify(payload) });
    this.#bring(guid, false);
    while (this.#random.chance(this.weather.doubled)) {
      this.doubled += 1;
      this.#bring(guid, false);
    }
  }

  /** As `POST /app/hook/deliveries/{id}/attempts`. */
  redeliver(id: number): boolean {
    const attempt = this.attempts.find((one) => one.id === id);
    if (attempt === undefined) return false;
    this.redelivered += 1;
    this.#bring(attempt.guid, true);
    return true;
  }

  /** Deliveries that no try has brought. */
  unheard(): string[] {
    const heard = new Set(this.attempts.filter(({ status }) => status === 202).map((a) => a.guid));
    return [...this.#bodies.keys()].filter((guid) => !heard.has(guid));
  }

  #bring(guid: string, redelivery: boolean): void {
    const delivery = this.#bodies.get(guid);
    if (delivery === undefined) throw new Error(`there is no delivery ${guid}`);
    const { event, body } = delivery;
    const slow = this.#random.chance(0.03) ? 100 : 1;
    this.#clock.after(this.#random.pause(this.weather.delay * slow), () => {
      const attempt: Attempt = {
        id: this.attempts.length + 1,
        guid,
        event,
        action: (JSON.parse(body) as { action?: string }).action ?? null,
        at: this.#clock.now,
        status: 0,
        redelivery,
      };
      if (this.#random.chance(this.weather.missed)) {
        this.attempts.push({ ...attempt, status: 502 });
        return;
      }
      const signature = createHmac("sha256", this.#secret).update(body).digest("hex");
      const request = new Request("https://snowcat.test/github/webhook", {
        method: "POST",
        body,
        headers: {
          "content-type": "application/json",
          "content-length": String(Buffer.byteLength(body)),
          "x-github-event": event,
          "x-github-delivery": guid,
          "x-hub-signature-256": `sha256=${signature}`,
        },
      });
      const end = (status: number) => {
        if (this.attempts.includes(attempt)) return;
        attempt.status = status;
        attempt.id = this.attempts.push(attempt);
      };
      const patience = this.#clock.after(PATIENCE, () => end(504));
      this.#post(request).then(
        ({ status }) => {
          patience();
          end(status);
        },
        () => end(500),
      );
    });
  }
}
