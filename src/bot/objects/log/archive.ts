import { createHash } from "node:crypto";
import { joined } from "../../channel/bytes.ts";
import type { StreamRow, Streams } from "./streams.ts";

/**
 * Streams go into R2 together until a pack has this many bytes: a put costs the same for one byte as for millions. One
 * stream has at most 9 MiB and a marker, so a pack fits in memory.
 */
export const PACK_BYTES = 4 * 1_024 * 1_024;
/** Streams in one pack, whatever their size: the statements of one transaction. */
const PACK_STREAMS = 2_000;

export const archiveKey = (job: string, attempt: number, pack: number) =>
  `logs/${job}/${attempt}/${pack}`;

export type Packed = { pack: number; streams: number; bytes: number };

/**
 * Puts the next closed streams into R2 as one object, then drops their rows. Repeated after a failure it writes the same
 * key. A stream whose bytes are not those that the runner hashed stays where it is, and is told. Null: nothing waits.
 */
export async function archiveNext(
  storage: DurableObjectStorage,
  bucket: R2Bucket,
  streams: Streams,
  at: { job: string; attempt: number },
): Promise<Packed | null> {
  const rows = streams.nextPack(PACK_BYTES, PACK_STREAMS);
  if (rows.length === 0) return null;
  const good: { row: StreamRow; body: Uint8Array }[] = [];
  for (const row of rows) {
    const body = joined(streams.chunks(row.stream));
    if (createHash("sha256").update(body).digest("hex") === row.sha256) good.push({ row, body });
    else {
      console.error(
        `log ${at.job}/${at.attempt}/${row.stream}: stored bytes differ from the runner's hash; kept unarchived`,
      );
      streams.damaged(row.stream);
    }
  }
  const pack = streams.lastPack() + 1;
  const whole = joined(good.map(({ body }) => body));
  // A pack of empty streams needs no object; they are told by their size.
  if (whole.byteLength > 0)
    await bucket.put(archiveKey(at.job, at.attempt, pack), whole, {
      sha256: createHash("sha256").update(whole).digest("hex"),
      httpMetadata: { contentType: "application/octet-stream" },
    });
  storage.transactionSync(() => {
    let offset = 0;
    for (const { row, body } of good) {
      streams.archived(row.stream, pack, offset);
      offset += body.byteLength;
    }
  });
  return { pack, streams: good.length, bytes: whole.byteLength };
}
