import { plain } from "../../core/report/index.ts";

/** Longest terminal sequence that is waited for when a chunk ends inside of one (bytes). */
const LONGEST_SEQUENCE = 64;

/**
 * A chunk of a log as text. What a chunk may have cut in two (a character, a terminal sequence) stays for the next one,
 * unless the log is `over`; `used` says how many bytes are told.
 */
export function textOf(data: Uint8Array, over: boolean): { text: string; used: number } {
  const used = over ? data.length : data.length - cutOff(data);
  return { text: plain(new TextDecoder().decode(data.subarray(0, used))), used };
}

function cutOff(data: Uint8Array): number {
  const escape = data.lastIndexOf(0x1b);
  if (
    escape >= 0 &&
    data.length - escape <= LONGEST_SEQUENCE &&
    !/[\u0040-\u005a\u005c-\u007e]/u.test(ascii(data.subarray(escape + 1)))
  )
    return data.length - escape;
  for (let back = 1; back <= Math.min(3, data.length); back += 1) {
    const byte = data[data.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0;
  }
  return 0;
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
