import * as fc from "fast-check";
import { lexer, type Token, type Tokens } from "marked";

/** In every hostile text, so that it is found wherever it gets out. */
export const SENTINEL = "q9zevil";

const PIECES = [
  `\n\`\`\`\n${SENTINEL} @admin\n`,
  `\n\`\`\`\`\n${SENTINEL}\n`,
  `\`${SENTINEL}\``,
  "`",
  "```",
  "````text",
  "~~~",
  "|",
  "\\",
  "\\|",
  "\n",
  "\r",
  "\n\n",
  "\t",
  "    ",
  "\n# ",
  "\n- ",
  "\n> ",
  "\n---\n",
  "\n/deploy machine1",
  "\n  /ok-to-test x",
  "\u200b/approve x",
  "\n/lgtm\n",
  "@admin",
  "@org/team",
  "\n@dependabot merge",
  "#123",
  "GH-1",
  "o/r#1",
  "1".repeat(40),
  "deadbeef",
  "https://evil.example/x",
  "www.evil.example",
  "a@evil.example",
  "[x](https://evil.example)",
  "![x](https://evil.example/x.png)",
  "[x]: https://evil.example",
  "<https://evil.example>",
  "<img src=x onerror=alert(1)>",
  "<script>alert(1)</script>",
  "</details>",
  "<!--",
  "-->",
  "**",
  "_",
  "~~",
  "$(x)",
  "&lt;",
  "::set-output name=x::y",
  "\u202e",
  "\u2066",
  "\u200d",
  "\u00ad",
  "\u{e0041}",
  "\u3164",
  "\ufeff",
  "\u001b[31m",
  "\u001b]8;;https://evil.example\u0007x",
  "\u009b31m",
  "\u0000",
  "\ud800",
  "雪",
];

/** Text as somebody writes it who wants it to be more than text. */
export const hostile: fc.Arbitrary<string> = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: "binary", maxLength: 5 })), {
    maxLength: 12,
  })
  .map((pieces) => pieces.join("").split("").toSpliced(3, 0, SENTINEL).join(""));

const COMMAND = /^\s*\/[a-z][\w-]*(?:\s|$)/imu;
const MENTION = /(?:^|[^\w.%+-])@\w/u;
/** What GitHub makes a link of: mentions, issues, commits. */
const LINKED = [/@\w/u, /#\d/u, /\bGH-\d/iu, /\b[0-9a-f]{7,64}\b/u, /:\/\//u, /\bwww\./u];
const UNSEEN =
  /(?![\ufe0e\ufe0f])\p{Default_Ignorable_Code_Point}|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e]|\p{Surrogate}/u;

/**
 * What is wrong with rendered Markdown, by a parser that is not ours: links (but to `own` pages), images, HTML, mentions
 * and hostile text outside of code; in code, what a bot would take for a command or for its name.
 */
export function faults(markdown: string, own = "https://snowcat.example/"): string[] {
  const found: string[] = [];
  if (UNSEEN.test(markdown)) found.push(`not seen: ${JSON.stringify(markdown)}`);
  const walk = (tokens: readonly Token[]): void => {
    for (const token of tokens) {
      switch (token.type) {
        case "code":
          if (COMMAND.test((token as Tokens.Code).text)) found.push(`command: ${token.raw}`);
          if (MENTION.test((token as Tokens.Code).text))
            found.push(`mention in code: ${token.raw}`);
          break;
        case "codespan":
        case "space":
          break;
        case "link":
          if (!(token as Tokens.Link).href.startsWith(own)) found.push(`link: ${token.raw}`);
          walk((token as Tokens.Link).tokens);
          break;
        case "image":
        case "html":
        case "def":
          found.push(`${token.type}: ${token.raw}`);
          break;
        case "list":
          for (const item of (token as Tokens.List).items) walk(item.tokens);
          break;
        case "table": {
          const { header, rows } = token as Tokens.Table;
          for (const cell of [...header, ...rows.flat()]) walk(cell.tokens);
          break;
        }
        case "paragraph":
        case "heading":
        case "strong":
          walk(token.tokens ?? []);
          break;
        case "text":
          if (token.tokens !== undefined) walk(token.tokens);
          else text(token.raw);
          break;
        default:
          found.push(`${token.type}: ${token.raw}`);
      }
    }
  };
  const text = (raw: string): void => {
    if (raw.includes(SENTINEL)) found.push(`text outside of code: ${raw}`);
    for (const linked of LINKED) if (linked.test(raw)) found.push(`linked: ${raw}`);
  };
  walk(lexer(markdown));
  return found;
}

/** Cells of the first column of each table, as they were written. */
export function firstColumn(markdown: string): string[] {
  return lexer(markdown).flatMap((token) =>
    token.type === "table" ? (token as Tokens.Table).rows.map(([cell]) => cell?.text ?? "") : [],
  );
}
