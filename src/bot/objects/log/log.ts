import { DurableObject } from "cloudflare:workers";
import { LogFrame, type ToLog } from "../../../protocol/data.ts";
import {
  type AttemptClaims,
  Channel,
  claimsOf,
  closeSocket,
  dataReply,
  openSocket,
} from "../../channel/index.ts";
import type { Environment } from "../../environment.ts";
import { type LogContract, objectName } from "../contracts.ts";
import { migrate } from "../migrations.ts";
import { archive, archiveKey } from "./archive.ts";
import { steps } from "./schema.ts";
import { Streams } from "./streams.ts";

/** Most bytes that one `read` answers. */
const READ_BYTES = 256 * 1_024;
/** A stream that is closed waits this long for more of its attempt before it is archived (ms). */
const ARCHIVE_AFTER = 5_000;
/** After an archive attempt that failed (ms). */
const ARCHIVE_RETRY = 60_000;

/** Log streams of one attempt: taken from its runner, read while they grow, archived when they are closed. */
export class Log extends DurableObject<Environment> implements LogContract {
  readonly #streams: Streams;
  readonly #channel: Channel<ToLog>;
  readonly #version: number;
  #armed = false;

  constructor(ctx: DurableObjectState, env: Environment) {
    super(ctx, env);
    this.#version = migrate(ctx.storage, steps);
    this.#streams = new Streams(ctx.storage.sql);
    this.#channel = new Channel<ToLog>(ctx.storage, LogFrame, dataReply);
  }

  /** The attempt's log channel, forwarded by the Worker with verified claims. */
  override async fetch(request: Request): Promise<Response> {
    const claims = claimsOf(request);
    if (!this.#isMine(claims))
      return new Response("the token is for another attempt\n", { status: 403 });
    const { response, socket } = openSocket(this.ctx, {});
    this.#channel.opened(socket, "log");
    return response;
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    this.#channel.receive(socket, "log", message, {
      commit: (frame) => this.#streams.take(frame.body),
    });
    await this.#arm();
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    closeSocket(socket, code);
  }

  async read(
    stream: string,
    offset: number,
  ): Promise<{
    data: Uint8Array;
    next: number;
    closed: { size: number; sha256: string; dropped: number } | null;
  } | null> {
    const row = this.#streams.get(stream);
    if (row === null) return null;
    const from = Math.max(0, Math.min(Math.trunc(offset) || 0, row.size));
    const data =
      row.archived === 1
        ? await this.#archived(stream, from, row.size)
        : this.#streams.read(stream, from, READ_BYTES);
    const closed =
      row.sha256 === null ? null : { size: row.size, sha256: row.sha256, dropped: row.dropped };
    return { data, next: from + data.byteLength, closed };
  }

  async streams(): Promise<{ stream: string; size: number; closed: boolean }[]> {
    return this.#streams
      .all()
      .map(({ stream, size, sha256 }) => ({ stream, size, closed: sha256 !== null }));
  }

  /** Cron's watchdog: an alarm that was lost is set again. */
  async wake(): Promise<{ version: number }> {
    this.#armed = false;
    if (this.#streams.all().some((row) => row.archived === 0)) await this.#arm();
    return { version: this.#version };
  }

  /** Archives when every stream is closed: by then the attempt is over. */
  override async alarm(): Promise<void> {
    this.#armed = false;
    const at = this.#attempt();
    const rows = this.#streams.all();
    if (at === null || rows.some((row) => row.sha256 === null)) return;
    for (const row of rows) {
      if (row.archived === 1) continue;
      try {
        const archived = await archive(this.env.BLOBS, this.#streams, at, row.stream);
        if (!archived)
          console.error(
            `log ${at.job}/${at.attempt}/${row.stream}: stored bytes differ from the runner's hash; kept unarchived`,
          );
      } catch (error) {
        console.error(
          `log ${at.job}/${at.attempt}/${row.stream} could not be archived: ${String(error)}`,
        );
        await this.ctx.storage.setAlarm(Date.now() + ARCHIVE_RETRY);
      }
    }
  }

  async #arm(): Promise<void> {
    if (this.#armed) return;
    const rows = this.#streams.all();
    if (rows.length === 0 || rows.some((row) => row.sha256 === null)) return;
    this.#armed = true;
    await this.ctx.storage.setAlarm(Date.now() + ARCHIVE_AFTER);
  }

  async #archived(stream: string, offset: number, size: number): Promise<Uint8Array> {
    const at = this.#attempt();
    const length = Math.min(READ_BYTES, size - offset);
    if (at === null || length <= 0) return new Uint8Array();
    const object = await this.env.BLOBS.get(archiveKey(at.job, at.attempt, stream), {
      range: { offset, length },
    });
    if (object === null)
      throw new Error(
        `log ${at.job}/${at.attempt}/${stream} was archived and is not in R2 any more`,
      );
    return new Uint8Array(await object.arrayBuffer());
  }

  #attempt(): { job: string; attempt: number } | null {
    return (
      this.ctx.storage.sql
        .exec<{ job: string; attempt: number }>("SELECT job, attempt FROM attempt")
        .toArray()[0] ?? null
    );
  }

  /** Fixed at the first connection, by the object's own name where the platform tells it. */
  #isMine({ host, job, attempt }: AttemptClaims): boolean {
    const { name } = this.ctx.id;
    if (name !== undefined && name !== objectName.log(host, job, attempt)) return false;
    this.ctx.storage.sql.exec(
      "INSERT INTO attempt (one, job, attempt) VALUES (1, ?, ?) ON CONFLICT DO NOTHING",
      job,
      attempt,
    );
    const mine = this.#attempt();
    return mine?.job === job && mine.attempt === attempt;
  }
}
