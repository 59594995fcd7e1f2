import type { Writable } from "node:stream";

/** Frames after the request line, both ways: one byte of type, four of length (big endian), the payload. */
export const FRAME = {
  stdin: 1,
  stdinEnd: 2,
  terminate: 3,
  stdout: 16,
  stderr: 17,
  opened: 18,
  exit: 19,
  refused: 20,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** Bytes of one frame's payload. */
export const FRAME_MAX = 1024 * 1024;
const HEADER = 5;

/** Writes a frame; false when the stream wants a pause. Large payloads become several frames. */
export function writeFrame(
  to: Writable,
  type: FrameType,
  payload: Uint8Array = new Uint8Array(),
): boolean {
  let ready = true;
  let offset = 0;
  // Both go to the kernel in one call: logs are many small frames.
  to.cork();
  do {
    const part = payload.subarray(offset, offset + FRAME_MAX);
    const header = Buffer.alloc(HEADER);
    header.writeUInt8(type, 0);
    header.writeUInt32BE(part.length, 1);
    to.write(header);
    ready = to.write(part);
    offset += FRAME_MAX;
  } while (offset < payload.length);
  to.uncork();
  return ready;
}

export function writeJsonFrame(to: Writable, type: FrameType, value: unknown): void {
  writeFrame(to, type, Buffer.from(JSON.stringify(value)));
}

/** Cuts a byte stream into frames. A frame that is too long is an error of the other side. */
export function frameReader(
  onFrame: (type: number, payload: Uint8Array) => void,
): (chunk: Uint8Array) => void {
  let pending = Buffer.alloc(0);
  return (chunk) => {
    pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
    while (pending.length >= HEADER) {
      const length = pending.readUInt32BE(1);
      if (length > FRAME_MAX)
        throw new Error(`frame of ${length} bytes, at most ${FRAME_MAX} are allowed`);
      if (pending.length < HEADER + length) return;
      const type = pending.readUInt8(0);
      const payload = pending.subarray(HEADER, HEADER + length);
      pending = pending.subarray(HEADER + length);
      onFrame(type, payload);
    }
  };
}
