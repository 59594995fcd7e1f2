import type { ServerResponse } from "node:http";
import { latestRuns } from "./suites.ts";
import type { PullRequest, Repository } from "./state.ts";
import type { World } from "./world.ts";

/** A very plain page of one pull request, for people to look at. Public repositories only; all text is escaped. */
export function serveHtml(world: World, path: string, response: ServerResponse): void {
  const [, owner, name, number] = /^\/html\/([^/]+)\/([^/]+)\/pull\/(\d+)$/.exec(path) ?? [];
  const repo =
    owner !== undefined && name !== undefined
      ? world.findRepository(decodeURIComponent(owner), decodeURIComponent(name))
      : undefined;
  const issue =
    repo && !repo.private
      ? world.pullsOf(repo).find((one) => one.number === Number(number))
      : undefined;
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
  };
  if (!repo || !issue) {
    response.writeHead(404, headers);
    response.end("<!doctype html><title>Not found</title><p>Not found\n");
    return;
  }
  response.writeHead(200, headers);
  response.end(pageOf(world, repo, issue));
}

const entities: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
const safeLink = (url: string): string => (/^https?:\/\//.test(url) ? escaped(url) : "#");

function pageOf(world: World, repo: Repository, issue: PullRequest): string {
  const { pull } = issue;
  const runs = latestRuns(
    [...world.checkRuns.values()].filter(
      (run) => run.repoId === repo.id && run.headSha === pull.head.sha,
    ),
  );
  const rows = runs.map(
    (run) =>
      `<tr><td>${escaped(run.conclusion ?? run.status)}<td><a href="${safeLink(run.detailsUrl ?? "")}">${escaped(run.name)}</a>` +
      `<td>${escaped(run.output.title ?? "")}<td><pre>${escaped(run.output.summary ?? "")}</pre>`,
  );
  const comments = [...world.comments.values()].filter(
    (one) => one.repoId === repo.id && one.issueNumber === issue.number,
  );
  const said = comments.map(
    (one) => `<h3>${escaped(world.account(one.userId).login)}</h3><pre>${escaped(one.body)}</pre>`,
  );
  const state = pull.mergedAt ? "merged" : issue.state;
  return `<!doctype html><meta charset="utf-8"><title>${escaped(issue.title)} #${issue.number}</title>
<style>body{font:15px sans-serif;margin:2em;max-width:70em}td{padding:.3em .8em;vertical-align:top}pre{white-space:pre-wrap;margin:0}</style>
<h1>${escaped(issue.title)} #${issue.number}</h1>
<p>${escaped(world.fullName(repo))}: ${state}, ${escaped(pull.head.ref)} → ${escaped(pull.base.ref)}, head <code>${pull.head.sha}</code></p>
<pre>${escaped(issue.body ?? "")}</pre>
<h2>Checks</h2><table>${rows.join("\n") || "<tr><td>none"}</table>
<h2>Comments</h2>${said.join("\n") || "<p>none"}
`;
}
