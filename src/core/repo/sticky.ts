/** Parts of a pull request's sticky comment, as Markdown; an empty one is left out. */
export type Sections = {
  impact: string;
  notices: string;
  krops: string;
  plan: string;
  commands: string;
};

/** Characters of the comment, below GitHub's 65,536 with room for the marker. */
const MOST = 60_000;
/** A comment that is there cannot be left empty, and what it said does not hold any more. */
const NOTHING = "There is nothing to say about this pull request now.";
const CUT = "\n\n_This part is too long to be shown here; the run's page has it._";

/**
 * The one comment: what changes, what is to be known, what was asked for. A part that does not fit is left out with a
 * word, the longest first: half of one could leave a block of code open over the rest.
 */
export function stickyBody({ impact, notices, krops, plan, commands }: Sections): string {
  const parts = [impact, notices, krops, plan, commands]
    .map((part) => part.trim())
    .filter((part) => part !== "");
  if (parts.length === 0) return NOTHING;
  for (;;) {
    const text = parts.join("\n\n");
    if (text.length <= MOST) return text;
    const longest = parts.reduce((a, b) => (b.length > a.length ? b : a), "");
    const [title = ""] = longest.split("\n");
    parts[parts.indexOf(longest)] = `${title.slice(0, 200)}${CUT}`;
  }
}
