import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import type { Gate } from "./gate.ts";

/** Relative links between the documents, and to files, lead somewhere. */
export const links: Gate = {
  name: "links",
  async run({ root, files }) {
    const problems: string[] = [];
    for (const file of files) {
      if (!file.endsWith(".md") || file.includes("/fixtures/")) continue;
      for (const target of targetsIn(await readFile(join(root, file), "utf8"))) {
        const path = target.startsWith("/")
          ? target.slice(1)
          : posix.join(posix.dirname(file), target);
        if (!existsSync(join(root, path))) problems.push(`${file}: nothing at "${target}"`);
      }
    }
    return problems;
  },
};

/** The paths that a Markdown text links to, without anchors; code is not a link. */
function targetsIn(markdown: string): readonly string[] {
  const prose = markdown.replace(/^(```|~~~)[\s\S]*?^\1/gm, "").replace(/`[^`\n]*`/g, "");
  const inline = prose.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g);
  const reference = prose.matchAll(/^\s{0,3}\[[^\]]+\]:\s*<?(\S+?)>?(\s|$)/gm);
  return [...inline, ...reference]
    .map((match) => match[1] ?? "")
    .filter((target) => !/^([a-z][a-z0-9+.-]*:|#)/i.test(target))
    .map((target) => decodeURI(target.split("#")[0] ?? ""));
}
