/** The longest line that is kept whole (bytes); what lies above is dropped, and the line marked. */
export const LINE_BYTES = 1_024 * 1_024;

const NEWLINE = 10;

/**
 * Cuts a byte stream into lines and gives each to `onLine` as text. Memory stays bounded whatever is printed: a line
 * without end is cut at `LINE_BYTES`.
 */
export function lineSplitter(onLine: (line: string) => void): {
  push(chunk: Uint8Array): void;
  end(): void;
} {
  const decoder = new TextDecoder();
  let parts: Uint8Array[] = [];
  let size = 0;
  const emit = (): void => {
    onLine(decoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts)));
    parts = [];
    size = 0;
  };
  const keep = (part: Uint8Array): void => {
    const room = LINE_BYTES - size;
    if (room <= 0 || part.length === 0) return;
    parts.push(part.slice(0, room));
    size += Math.min(room, part.length);
  };
  return {
    push(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        keep(chunk.subarray(from, at));
        emit();
        from = at + 1;
      }
      keep(chunk.subarray(from));
    },
    end() {
      if (size > 0) emit();
    },
  };
}
