/**
 * Everything here was written by an attacker: attribute names, messages, log lines. It is shown as code only, where
 * GitHub makes no mention, link, image or HTML of it, in spans and blocks that cannot be closed from inside.
 */

const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\^_])/gu;
/**
 * Controls, and what turns the direction of text or is not seen in it: zero-width characters, fillers, tags. What makes
 * an emoji of a character stays.
 */
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\ufff9-\ufffb]|(?![\ufe0e\ufe0f])\p{Default_Ignorable_Code_Point}/gu;
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

/** A line that some bot takes for a command: a slash and one word, which no path below the root is. */
const COMMAND = /^([^\S\n]*)(?=\/[A-Za-z][\w-]*(?:\s|$))/gmu;
/** A name that some bot takes for its own. What stands in the middle of a word (an address, a version) is none. */
const MENTION = /(?<![\w.%+-])@(?=\w)/gu;

/**
 * Quoted text in which no program finds anything that is meant for it. GitHub makes nothing of what stands in code, but
 * bots read the text as it is: commands are quoted once more, and the sign of a mention is a wider one.
 */
function quiet(text: string): string {
  return text.replace(COMMAND, "$1> ").replace(MENTION, "\uff20");
}

/** A fenced block of the text's last `length` characters (or first, with `head`). */
export function block(text: string, length = 8_000, keep: "head" | "tail" = "tail"): string {
  const clean = untrailed(plain(text));
  const kept =
    clean.length <= length
      ? clean
      : keep === "tail"
        ? `[… ${clean.length - length} characters cut]\n${clean.slice(-length)}`
        : `${clean.slice(0, length)}\n[… ${clean.length - length} characters cut]`;
  return fenced(quiet(kept.replace(LONE_SURROGATE, "\ufffd")));
}

/** A fenced block to be copied as it is: a command that we ask a person to send. */
export function exact(text: string): string {
  return fenced(untrailed(plain(text)).slice(0, 4_000).replace(LONE_SURROGATE, "\ufffd"));
}

function fenced(text: string): string {
  const fence = "`".repeat(Math.max(3, longestRun(text, "`") + 1));
  return `${fence}text\n${text}\n${fence}`;
}

/** Without newlines at its end. (An expression for it would look at each run of newlines over and over.) */
function untrailed(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 10) end -= 1;
  return text.slice(0, end);
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
