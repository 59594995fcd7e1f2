import type { Readable } from "node:stream";

/** What was kept of a stream. */
export interface Collected {
  bytes(): Uint8Array;
  truncated(): boolean;
}

/** Reads a stream to its end, keeps the first `maxBytes` and shows every chunk to `onChunk`. */
export function collect(
  stream: Readable | null,
  maxBytes: number,
  onChunk?: (chunk: Uint8Array) => void,
): Collected {
  const kept: Uint8Array[] = [];
  let size = 0;
  let cut = false;
  stream?.on("data", (chunk: Uint8Array) => {
    const room = maxBytes - size;
    if (chunk.length > room) cut = true;
    if (room > 0) {
      const part = chunk.subarray(0, room);
      kept.push(part);
      size += part.length;
    }
    onChunk?.(chunk);
  });
  return { bytes: () => new Uint8Array(Buffer.concat(kept)), truncated: () => cut };
}
