import { DurableObject } from "cloudflare:workers";
import type { Environment } from "../../environment.ts";
import { Receiver } from "../../github/probot.ts";
import type { Accepted, AccountContract, Delivery, KnownRepository } from "../contracts.ts";
import { Alarm } from "../inbox/alarm.ts";
import { Due, type Perform } from "../inbox/due.ts";
import { Inbox, REMEMBERED, type Waiting } from "../inbox/inbox.ts";
import { migrate } from "../migrations.ts";
import { Directory } from "./directory.ts";
import { steps } from "./schema.ts";

/** Lines about deliveries that are not served; strangers can cause them, so they are few. */
const MOST_REFUSED = 1_000;
/** So long after a delivery (ms) the rows of the past are looked through. */
const PRUNED_AFTER = 6 * 3_600_000;

/** One account: deliveries without a repository, its installations and repositories. Object 0 keeps what nobody is served for. */
export class Account extends DurableObject<Environment> implements AccountContract {
  readonly #version: number;
  readonly #alarm: Alarm;
  readonly #inbox: Inbox;
  readonly #due: Due;
  readonly #directory: Directory;
  readonly #receiver = new Receiver();

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env);
    this.#version = migrate(ctx.storage, steps);
    this.#alarm = new Alarm(ctx.storage);
    this.#inbox = new Inbox(ctx.storage, env.BLOBS, this.#alarm, `inbox/${ctx.id.toString()}`);
    this.#due = new Due(ctx.storage);
    this.#directory = new Directory(ctx.storage.sql);
  }

  async accept(delivery: Delivery): Promise<Accepted> {
    return delivery.allowed ? this.#inbox.accept(delivery) : this.#refuse(delivery);
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang();
    let next: number | null;
    try {
      next = await this.#inbox.drain((row) => this.#handle(row), Date.now);
      await this.#due.run(this.#perform, Date.now);
    } catch (error) {
      // A bug; the alarm has to ring again all the same, or nothing ever does.
      console.error(
        JSON.stringify({
          what: "alarm of an account failed",
          object: this.ctx.id.toString(),
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
      );
      next = Date.now() + 5_000;
    }
    this.#arm(next);
  }

  async wake(): Promise<{ version: number }> {
    await this.#alarm.check();
    this.#arm(this.#inbox.nextAt());
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

  async sweptUntil(): Promise<number | null> {
    return (
      this.ctx.storage.sql.exec<{ until: number }>("SELECT until FROM sweep").toArray()[0]?.until ??
      null
    );
  }

  async swept(until: number): Promise<void> {
    this.ctx.storage.sql.exec("INSERT OR REPLACE INTO sweep (one, until) VALUES (1, ?)", until);
  }

  async #handle(row: Waiting): Promise<() => void> {
    const payload: unknown = JSON.parse(row.text);
    const event = await this.#receiver.receive({ id: row.delivery, name: row.event, payload });
    return () => {
      this.#directory.apply(event);
      this.#due.once("prune", "prune", Date.now() + PRUNED_AFTER);
    };
  }

  readonly #perform: Perform = async (row) => {
    if (row.kind === "delete-blob")
      await this.env.BLOBS.delete((JSON.parse(row.payload) as { key: string }).key);
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

  #arm(inboxAt: number | null): void {
    const at = [inboxAt, this.#due.nextAt()].filter((time) => time !== null);
    if (at.length > 0) this.#alarm.by(Math.min(...at));
  }
}
