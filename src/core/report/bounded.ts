/** GitHub's limit for each of summary and text. It says characters; bytes are never fewer. */
export const FIELD_BYTES = 65_535;

/** Bytes of the text in UTF-8. */
export function bytes(text: string): number {
  let total = 0;
  for (const char of text) {
    const point = char.codePointAt(0) ?? 0;
    total += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return total;
}

/**
 * Joins whole parts (a row, a block; each ends as it must) up to the limit, so that nothing is cut in the middle of a
 * fence; `rest` words what was left out and has its room kept.
 */
export function bounded(
  parts: Iterable<string>,
  rest: (left: number) => string,
  total: number,
  limit = FIELD_BYTES,
): string {
  const room = limit - bytes(rest(total));
  let used = 0;
  let shown = 0;
  let text = "";
  for (const part of parts) {
    const size = bytes(part);
    if (used + size > room) break;
    text += part;
    used += size;
    shown += 1;
  }
  return shown < total ? text + rest(total - shown) : text;
}

/** A summary: lines in the order of their weight. Those that do not fit are left to the run's page. */
export function summaryOf(lines: readonly string[], url: string): string {
  return bounded(
    lines.filter((line) => line !== ""),
    () => `\nThere is more than fits here: [the run](${url}) has it all.\n`,
    lines.filter((line) => line !== "").length,
  );
}
