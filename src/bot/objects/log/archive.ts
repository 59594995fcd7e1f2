import { createHash } from "node:crypto";
import { joined } from "../../channel/bytes.ts";
import type { Streams } from "./streams.ts";

/** R2 takes a body of known length only; a log is at most 9 MiB and a marker, so it fits in memory once. */
export const archiveKey = (job: string, attempt: number, stream: string) =>
  `logs/${job}/${attempt}/${stream}`;

/**
 * Puts a closed stream into R2, where its hash is checked as it arrives, then drops its rows. Answers false, and keeps the rows, when the
 * bytes are not those that the runner hashed: they can still be read, and the difference is told.
 */
export async function archive(
  bucket: R2Bucket,
  streams: Streams,
  at: { job: string; attempt: number },
  stream: string,
): Promise<boolean> {
  const row = streams.get(stream);
  if (row === null || row.sha256 === null || row.archived === 1) return true;
  const body = joined(streams.chunks(stream));
  if (createHash("sha256").update(body).digest("hex") !== row.sha256) return false;
  await bucket.put(archiveKey(at.job, at.attempt, stream), body, {
    sha256: row.sha256,
    httpMetadata: { contentType: "text/plain; charset=utf-8" },
    customMetadata: { dropped: String(row.dropped) },
  });
  streams.archived(stream);
  return true;
}
