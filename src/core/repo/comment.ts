const APPROVAL = /^\/ok-to-test ([0-9a-f]{64}|[0-9a-f]{40})[\t ]*\r?$/gmu;

/** The full SHAs that a comment approves: each `/ok-to-test <sha>` on a line of its own. Short SHAs approve nothing. */
export function approvalsIn(body: string): string[] {
  return [...new Set([...body.matchAll(APPROVAL)].map((found) => found[1] ?? ""))].slice(0, 8);
}
