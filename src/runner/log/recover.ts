import { createHash, type Hash } from "node:crypto";
import { ATTEMPT_LOG_BYTES, LogFrame, type LogPart } from "../../protocol/data.ts";
import { LOG_CAP } from "./cap.ts";

type Open = { size: number; hash: Hash };

/** Stands at the end of a stream whose tail was in the memory of an agent that died. */
export const LOST_TAIL =
  "\n[snowcat: the agent was restarted here; what the log went on to say above its cap is lost]\n";

/**
 * After a crash of the agent: ends of the streams that were still open. `frames` are the texts of all log frames of the
 * attempt, in order, as its spool kept them: what is in one of them will be at the other side, and nothing else.
 */
export async function closeAfterCrash(
  frames: AsyncIterable<{ text: string }>,
  attemptBytes: number = ATTEMPT_LOG_BYTES,
): Promise<LogPart[]> {
  const open = new Map<string, Open>();
  let total = 0;
  for await (const { text } of frames) {
    for (const part of LogFrame.parse(JSON.parse(text)).body.parts) {
      if (part.kind === "close") {
        open.delete(part.stream);
        continue;
      }
      const stream = open.get(part.stream) ?? { size: 0, hash: createHash("sha256") };
      open.set(part.stream, stream);
      const data = Buffer.from(part.data, "base64");
      total += data.length;
      take(stream, data);
    }
  }
  return [...open].flatMap(([stream, state]) => [
    ...lostTail(stream, state, total >= attemptBytes),
    {
      kind: "close" as const,
      stream,
      size: state.size,
      sha256: state.hash.digest("hex"),
      dropped: 0,
    },
  ]);
}

/** Below the cap, and the attempt's, everything is in the frames; a stream that reached one may have gone on. */
function lostTail(stream: string, state: Open, isFull: boolean): LogPart[] {
  if (state.size < LOG_CAP.head && !isFull) return [];
  const marker = Buffer.from(LOST_TAIL);
  const part: LogPart = {
    kind: "chunk",
    stream,
    offset: state.size,
    data: marker.toString("base64"),
  };
  take(state, marker);
  return [part];
}

function take(stream: Open, data: Buffer): void {
  stream.size += data.length;
  stream.hash.update(data);
}
