import { DurableObject } from "cloudflare:workers";
import { ATTEMPT_LOG_BYTES, LogFrame, type ToLog } from "../../../protocol/data.ts";
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
import { SPEAKS } from "../fleet/specification.ts";
import { migrate } from "../migrations.ts";
import { archiveKey, archiveNext, PACK_BYTES } from "./archive.ts";
import { steps } from "./schema.ts";
import { type StreamRow, Streams } from "./streams.ts";

/** Most bytes that one `read` answers. */
const READ_BYTES = 256 * 1_024;
/** A stream that is closed waits this long for more of its attempt before it is archived (ms). */
const ARCHIVE_AFTER = 5_000;
/** After an archive attempt that failed (ms). */
const ARCHIVE_RETRY = 60_000;
/** Packs in one alarm, so that one alarm stays short. */
const ARCHIVE_PACKS = 4;
/** Nothing was heard for this long (ms): the attempt's token has expired, nobody can close the streams any more. */
const ABANDONED_AFTER = SPEAKS + 60 * 60_000;
/** Bytes that are taken of one attempt: what a runner that keeps its own cap never sends. */
const MOST_BYTES = 2 * ATTEMPT_LOG_BYTES;
/** Streams that are closed in one alarm because nobody else will. */
const ABANDONED_STREAMS = 500;
/** How exactly it is known when something was last heard (ms): a write this often. */
const HEARD_EVERY = 60 * 60_000;

/** Log streams of one attempt: taken from its runner, read while they grow, archived when they are closed. */
export class Log extends DurableObject<Environment> implements LogContract {
  readonly #streams: Streams;
  readonly #channel: Channel<ToLog>;
  readonly #version: number;
  /** When the alarm goes off; null where this life of the object does not know. */
  #alarmAt: number | null = null;
  #heardAt = 0;

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
    const now = Date.now();
    let closes = false;
    this.#channel.receive(socket, "log", message, {
      allow: () =>
        this.#streams.bytes < MOST_BYTES
          ? null
          : { stale: `the attempt's logs have more than ${MOST_BYTES} bytes` },
      commit: ({ body: { parts } }) => {
        this.#streams.take(parts);
        this.#heard(now);
        closes = parts.some(({ kind }) => kind === "close");
      },
    });
    await this.#arm(now + (closes ? ARCHIVE_AFTER : ABANDONED_AFTER));
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
      row.pack !== null
        ? await this.#archived(row, row.pack, from)
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

  /** An alarm that was lost is set again. */
  async wake(): Promise<{ version: number }> {
    this.#alarmAt = null;
    if (this.#streams.waiting().streams > 0) await this.#arm(Date.now() + ARCHIVE_AFTER);
    return { version: this.#version };
  }

  /** Archives whole packs while the attempt goes on, and everything when every stream is closed. */
  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    const at = this.#attempt();
    if (at === null) return;
    const now = Date.now();
    if (now >= at.heard_at + ABANDONED_AFTER) this.#streams.closeOpen(ABANDONED_STREAMS);
    try {
      for (let packs = 0; packs < ARCHIVE_PACKS && this.#isPackDue(); packs += 1)
        await archiveNext(this.ctx.storage, this.env.BLOBS, this.#streams, at);
    } catch (error) {
      console.error(`log ${at.job}/${at.attempt} could not be archived: ${String(error)}`);
      return await this.#arm(now + ARCHIVE_RETRY);
    }
    if (this.#isPackDue()) await this.#arm(now + 1);
    else if (this.#streams.waiting().streams > 0)
      await this.#arm(Math.max(now + 1, at.heard_at + ABANDONED_AFTER));
  }

  #isPackDue(): boolean {
    const { streams, open, closedBytes } = this.#streams.waiting();
    return open === 0 ? streams > 0 : closedBytes >= PACK_BYTES;
  }

  /** One alarm, moved only to an earlier time. */
  async #arm(at: number): Promise<void> {
    this.#alarmAt ??= await this.ctx.storage.getAlarm();
    if (this.#alarmAt !== null && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    await this.ctx.storage.setAlarm(at);
  }

  #heard(now: number): void {
    if (now - this.#heardAt < HEARD_EVERY) return;
    this.#heardAt = now;
    this.ctx.storage.sql.exec("UPDATE attempt SET heard_at = max(heard_at, ?)", now);
  }

  async #archived(row: StreamRow, pack: number, offset: number): Promise<Uint8Array> {
    const at = this.#attempt();
    const length = Math.min(READ_BYTES, row.size - offset);
    if (at === null || length <= 0) return new Uint8Array();
    const object = await this.env.BLOBS.get(archiveKey(at.job, at.attempt, pack), {
      range: { offset: row.pack_offset + offset, length },
    });
    if (object === null)
      throw new Error(
        `log ${at.job}/${at.attempt}/${row.stream} was archived and is not in R2 any more`,
      );
    return new Uint8Array(await object.arrayBuffer());
  }

  #attempt(): { job: string; attempt: number; heard_at: number } | null {
    return (
      this.ctx.storage.sql
        .exec<{ job: string; attempt: number; heard_at: number }>(
          "SELECT job, attempt, heard_at FROM attempt",
        )
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
