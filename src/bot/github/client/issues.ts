import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import type { DesiredIssue } from "../../objects/contracts.ts";
import { marker } from "./comments.ts";

/** Pages of issues that a lookup reads, 100 in each, those that changed last first. */
const PAGES = 10;

type Headers = Readonly<Record<string, string | number | undefined>>;
type Made = { shownId: number; headers: Headers };

const Issue = z.object({
  number: z.int().positive(),
  body: z.string().nullish(),
  user: z.object({ type: z.string() }).nullish(),
  performed_via_github_app: z.object({ id: z.int() }).nullish(),
  pull_request: z.unknown().optional(),
});

/** It is made open; one that is to be closed by now is closed by the next update. */
export async function createIssue(octokit: Octokit, issue: DesiredIssue): Promise<Made> {
  const { owner, name: repo } = issue.repository;
  const { title } = issue;
  const answer = await octokit.rest.issues.create({ owner, repo, title, body: text(issue) });
  const { number } = Issue.parse(answer.data);
  if (issue.state === "closed") return await updateIssue(octokit, number, issue);
  return { shownId: number, headers: answer.headers };
}

export async function updateIssue(
  octokit: Octokit,
  shownId: number,
  issue: DesiredIssue,
): Promise<Made> {
  const { owner, name: repo } = issue.repository;
  const { title, state } = issue;
  const answer = await octokit.rest.issues.update({
    owner,
    repo,
    issue_number: shownId,
    title,
    body: text(issue),
    state,
  });
  return { shownId, headers: answer.headers };
}

/** By its number where that is known, else one that begins with the marker and that our App itself wrote. */
export async function findIssue(
  octokit: Octokit,
  app: number,
  shownId: number | null,
  { repository: { owner, name: repo }, resource }: DesiredIssue,
): Promise<number | null> {
  if (shownId !== null) {
    const { data } = await octokit.rest.issues.get({ owner, repo, issue_number: shownId });
    return Issue.parse(data).number;
  }
  const begins = `${marker(resource)}\n`;
  for (let page = 1; page <= PAGES; page += 1) {
    const { data } = await octokit.rest.issues.listForRepo({
      owner,
      repo,
      state: "all",
      sort: "updated",
      per_page: 100,
      page,
    });
    const issues = z.array(Issue).parse(data);
    const found = issues.find(
      (one) =>
        one.pull_request === undefined &&
        one.performed_via_github_app?.id === app &&
        one.user?.type === "Bot" &&
        (one.body ?? "").replaceAll("\r\n", "\n").startsWith(begins),
    );
    if (found !== undefined) return found.number;
    if (issues.length < 100) return null;
  }
  return null;
}

function text({ resource, body }: DesiredIssue): string {
  return `${marker(resource)}\n${body}`;
}
