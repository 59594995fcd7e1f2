import { DurableObject } from "cloudflare:workers";
import type { DeliveryAttempt, Walk } from "../../../core/sweep/missed.ts";
import type { Environment } from "../../environment.ts";
import { Receiver } from "../../github/probot.ts";
import {
  type Accepted,
  type AccountContract,
  type Delivery,
  type KnownRepository,
  objectName,
} from "../contracts.ts";
import { Alarm } from "../inbox/alarm.ts";
import { Due, type Perform } from "../inbox/due.ts";
import { Inbox, REMEMBERED, type Waiting } from "../inbox/inbox.ts";
import { Turns } from "../inbox/turns.ts";
import { migrate } from "../migrations.ts";
import { Directory } from "./directory.ts";
import { Missed } from "./missed.ts";
import { steps } from "./schema.ts";

type Left = { repository: number; installation: number };

/** Lines about deliveries that are not served; strangers can cause them, so they are few. */
const MOST_REFUSED = 1_000;
/** So long after a delivery (ms) the rows of the past are looked through. */
const PRUNED_AFTER = 6 * 3_600_000;

/** One account: deliveries without a repository, its installations and repositories. Object 0 keeps what nobody is served for. */
export class Account extends DurableObject<Environment> implements AccountContract {
  readonly #version: number;
  readonly #turns: Turns;
  readonly #inbox: Inbox;
  readonly #due: Due;
  readonly #directory: Directory;
  readonly #missed: Missed;
  readonly #receiver = new Receiver();

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env);
    this.#version = migrate(ctx.storage, steps);
    const alarm = new Alarm(ctx.storage);
    this.#inbox = new Inbox(ctx.storage, env.BLOBS, alarm, `inbox/${ctx.id.toString()}`);
    this.#due = new Due(ctx.storage);
    this.#turns = new Turns({
      object: ctx.id.toString(),
      alarm,
      inbox: this.#inbox,
      due: this.#due,
    });
    this.#directory = new Directory(ctx.storage.sql);
    this.#missed = new Missed(ctx.storage);
  }

  async accept(delivery: Delivery): Promise<Accepted> {
    return delivery.allowed ? this.#inbox.accept(delivery) : this.#refuse(delivery);
  }

  override alarm(): Promise<void> {
    return this.#turns.ring((row) => this.#handle(row), this.#perform);
  }

  async wake(): Promise<{ version: number }> {
    await this.#turns.wake();
    return { version: this.#version };
  }

  async setAside(): Promise<number> {
    return this.#inbox.aside();
  }

  async know(installation: number, repository: KnownRepository): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#directory.know(installation, repository));
  }

  async forget(repository: number): Promise<void> {
    this.#directory.forget(repository);
  }

  async repositories(): Promise<(KnownRepository & { installation: number })[]> {
    return this.#directory.repositories();
  }

  async installations(): Promise<number[]> {
    return this.#directory.installations();
  }

  async rotate(limit: number): Promise<number[]> {
    return this.#directory.rotate(limit, Date.now());
  }

  async missedWalk(): Promise<Walk & { pausedUntil: number }> {
    return this.#missed.walk();
  }

  async noteMissed(attempts: DeliveryAttempt[], next: string | null, now: number): Promise<Walk> {
    return this.#missed.note(attempts, next, now);
  }

  async restartMissed(): Promise<void> {
    this.#missed.restart();
  }

  async pauseMissed(until: number): Promise<void> {
    this.#missed.pause(until);
  }

  async dueMissed(now: number, limit: number): Promise<{ guid: string; id: number }[]> {
    return this.#missed.due(now, limit);
  }

  async askedForMissed(guid: string, now: number): Promise<boolean> {
    return this.#missed.asked(guid, now);
  }

  async #handle(row: Waiting): Promise<() => void> {
    const payload: unknown = JSON.parse(row.text);
    const event = await this.#receiver.receive({ id: row.delivery, name: row.event, payload });
    return () => {
      const { left, resumed } = this.#directory.apply(event);
      const { installation } = event;
      const now = Date.now();
      for (const repository of left)
        this.#due.add("left", `repository:${repository}`, { repository, installation }, now);
      if (resumed) this.#due.add("resumed", "installation", { installation }, now);
      this.#due.once("prune", "prune", Date.now() + PRUNED_AFTER);
    };
  }

  readonly #perform: Perform = async (row) => {
    if (row.kind === "delete-blob")
      await this.env.BLOBS.delete((JSON.parse(row.payload) as { key: string }).key);
    if (row.kind === "left") {
      const { repository, installation } = JSON.parse(row.payload) as Left;
      await this.env.REPO.getByName(objectName.repo(this.env.GITHUB_HOST, repository)).left(
        installation,
        "the App was taken off the repository",
      );
    }
    if (row.kind === "resumed") {
      const { installation } = JSON.parse(row.payload) as { installation: number };
      await this.env.WRITER.getByName(
        objectName.writer(this.env.GITHUB_HOST, installation),
      ).resume();
    }
    return { done: () => (row.kind === "prune" ? this.#inbox.expire(Date.now()) : undefined) };
  };

  #refuse({ id, event, receivedAt, body }: Delivery): Accepted {
    const { sql } = this.ctx.storage;
    const inserted = sql.exec(
      "INSERT INTO refused (delivery, event, received_at, size) VALUES (?, ?, ?, ?) ON CONFLICT (delivery) DO NOTHING RETURNING id",
      id,
      event,
      receivedAt,
      body.byteLength,
    );
    if (inserted.toArray().length === 0) return { outcome: "known" };
    sql.exec(
      "DELETE FROM refused WHERE id <= (SELECT MAX(id) FROM refused) - ? OR received_at < ?",
      MOST_REFUSED,
      receivedAt - REMEMBERED,
    );
    return { outcome: "stored" };
  }
}
