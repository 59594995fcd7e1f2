import { code } from "../report/index.ts";

/** The configuration's part of a pull request's comment, as Markdown; null where there is nothing to say. */
export function configurationSection(notices: readonly string[]): string | null {
  if (notices.length === 0) return null;
  return `### Configuration\n\n${notices.map((notice) => `- ${code(notice, 1_000)}\n`).join("")}`;
}
