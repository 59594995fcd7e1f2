/**
 * Everything here was written by an attacker: attribute names, messages, log lines. It is shown as code only, where
 * GitHub makes no mention, link, image or HTML of it, in spans and blocks that cannot be closed from inside.
 */

const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\^_])/gu;
/** Controls, and what turns the direction of text or hides in it. */
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Text without terminal sequences, controls and direction marks; lines and tabs stay. */
export function plain(text: string): string {
  return text
    .replace(/\r\n?/gu, "\n")
    .replace(ESCAPES, "")
    .replace(LONE_SURROGATE, "\ufffd")
    .replace(INVISIBLE, "\ufffd");
}

/** One line of plain text, at most `length` characters: for titles and names, which are no Markdown. */
export function line(text: string, length = 200): string {
  return cut(
    plain(text)
      .replace(/[\n\t]+/gu, " ")
      .trim(),
    length,
  );
}

/**
 * A code span on one line. A `|` would end the cell of a table even inside of one, and a backslash before it cannot be
 * told from an escape, so it is shown as `¦`.
 */
export function code(text: string, length = 200): string {
  const content = line(text, length).replaceAll("|", "¦");
  if (content === "") return "` `";
  const fence = "`".repeat(longestRun(content, "`") + 1);
  const pad = content.startsWith("`") || content.endsWith("`") ? " " : "";
  return `${fence}${pad}${content}${pad}${fence}`;
}

/** A fenced block of the text's last `length` characters (or first, with `head`). */
export function block(text: string, length = 8_000, keep: "head" | "tail" = "tail"): string {
  const clean = plain(text).replace(/\n+$/u, "");
  const kept =
    clean.length <= length
      ? clean
      : keep === "tail"
        ? `[… ${clean.length - length} characters cut]\n${clean.slice(-length)}`
        : `${clean.slice(0, length)}\n[… ${clean.length - length} characters cut]`;
  const fence = "`".repeat(Math.max(3, longestRun(kept, "`") + 1));
  return `${fence}text\n${kept.replace(LONE_SURROGATE, "\ufffd")}\n${fence}`;
}

function longestRun(text: string, char: string): number {
  let longest = 0;
  let run = 0;
  for (const c of text) {
    run = c === char ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(LONE_SURROGATE, "")}…`;
}
