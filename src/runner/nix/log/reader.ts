import type { LogEvent } from "./event.ts";
import { parseLogLine } from "./event.ts";
import { LINE_BYTES, lineSplitter } from "./lines.ts";

const START = "@nix {";
/** Places in a line at which another may begin; a line can be made of nothing else. */
const LOOKED_AT = 4;

/**
 * Reads `--log-format internal-json` from a byte stream. Nix's threads write without waiting for each other, and what is
 * longer than a pipe takes at once is torn: another thread's line stands in its middle, and the rest follows behind that.
 * Both are put together again.
 */
export function eventReader(onEvent: (event: LogEvent) => void): {
  push(chunk: Uint8Array): void;
  end(): void;
} {
  let torn: string | null = null;
  const giveUp = (): void => {
    if (torn !== null) onEvent({ kind: "text", line: torn });
    torn = null;
  };
  const lines = lineSplitter((line) => {
    const event = parseLogLine(line);
    if (event.kind !== "text") return onEvent(event);
    const cut = inner(line);
    const before = (torn ?? "") + (cut?.before ?? "");
    if (cut !== null && begins(before) && before.length < 4 * LINE_BYTES) {
      torn = before;
      return onEvent(cut.event);
    }
    if (torn === null) return onEvent(event);
    const whole = parseLogLine(torn + line);
    if (whole.kind === "text") {
      giveUp();
      return onEvent(event);
    }
    torn = null;
    onEvent(whole);
  });
  return {
    push: (chunk) => lines.push(chunk),
    end() {
      lines.end();
      giveUp();
    },
  };
}

function begins(text: string): boolean {
  return text.slice(0, START.length) === START.slice(0, text.length);
}

/** A whole line of the format at the end of another, and what stands before it. */
function inner(line: string): { before: string; event: LogEvent } | null {
  let at = line.length;
  for (let looked = 0; looked < LOOKED_AT && at > 0; looked += 1) {
    at = line.lastIndexOf(START, at - 1);
    if (at <= 0) return null;
    const event = parseLogLine(line.slice(at));
    if (event.kind !== "text") return { before: line.slice(0, at), event };
  }
  return null;
}
